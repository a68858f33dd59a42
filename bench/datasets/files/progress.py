"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # images checked so far, images in all
Report = Callable[[str, int, int | None], None]  # what is done, how far so far, how far in all


def quiet(what: str, done: int, total: int | None) -> None:
    """A Report that tells nobody."""
