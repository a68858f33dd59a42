"""Start: which results are open."""

from demo.library import Library
from demo.render import render
from demo.view import View


def show(library: Library, view: View) -> str:
    """The data sets, with a way to each."""
    return render("start.html", library=library)
