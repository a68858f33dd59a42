"""Long lists, a page at a time."""

from dataclasses import dataclass

from demo.view import View, write_address

LENGTH = 24  # entries of a page


@dataclass(frozen=True)
class Pages:
    """Which part of a list is shown, from `first` up to `end`, and the addresses of the pages
    before and after, empty where there is none."""

    number: int
    count: int
    first: int
    end: int
    total: int
    before: str
    after: str


def paged(total: int, view: View) -> Pages:
    """The page of the view, or the last, of a list of `total` entries."""
    count = max(1, -(-total // LENGTH))
    number = min(view.page, count)
    return Pages(
        number,
        count,
        (number - 1) * LENGTH,
        min(number * LENGTH, total),
        total,
        write_address(view, page=number - 1) if number > 1 else "",
        write_address(view, page=number + 1) if number < count else "",
    )
