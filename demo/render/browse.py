"""Query and neighbours as HTML, through `templates/browse.html`, which escapes every text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.reporting.tables import templates
from demo.browser import Neighbor, Outcome

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


def render_query(
    outcome: Outcome, neighbors: Sequence[Neighbor], picture: Picture, note: str
) -> str:
    """The query's picture, class and outcome; `note` is one more sentence, or empty."""
    return render("query", outcome, neighbors, picture, note)


def render_neighbors(query: int, neighbors: Sequence[Neighbor], pictures: Sequence[Picture]) -> str:
    """The neighbours with their pictures, best first: a button, or a plain group where it cannot
    be made the query."""
    return render("neighbors", query, neighbors, pictures)


def render_message(text: str, kind: str) -> str:
    """A paragraph for what cannot be shown, or nothing; kind: "notice" or "problem"."""
    return render("message", text, kind)


def render_head(notice: str, problems: Sequence[str]) -> str:
    """The page's title, what to know about these results, and which runs are left out."""
    return render("head", notice, problems)


def render(macro: str, *arguments: Any) -> str:
    """One macro of the template."""
    module = templates("demo").get_template("browse.html").module
    return str(getattr(module, macro)(*arguments)).strip()
