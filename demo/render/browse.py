"""Query and neighbours as HTML, through `templates/browse.html`, which escapes every text."""

from dataclasses import dataclass
from typing import Any

from bench.reporting.tables import templates

SMALL = 96  # pictures of fewer pixels a side are enlarged with hard edges


@dataclass(frozen=True)
class Picture:
    """An image of `height` x `width` pixels at `address`.

    The element around it has its `key` in its name, so another picture is another element. In the
    same element a browser would show the old picture, under the new frame and name, until the new
    one arrives.
    """

    address: str
    key: str
    height: int
    width: int

    @property
    def crisp(self) -> bool:
        """Whether it is enlarged with hard edges."""
        return max(self.height, self.width) < SMALL


def render(macro: str, *arguments: Any) -> str:
    """One macro of the template, with its arguments."""
    module = templates("demo").get_template("browse.html").module
    return str(getattr(module, macro)(*arguments)).strip()
