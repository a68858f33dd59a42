"""HTML from the templates, which escape every text."""

from typing import Any

from bench.reporting.tables import templates
from bench.suggest import printable


def render(template: str, **values: Any) -> str:
    """One of `templates/` as HTML."""
    return templates("demo").get_template(template).render(values).strip()


def message(text: object, kind: str) -> str:
    """A paragraph on what cannot be shown; kind: "notice" or "problem"."""
    return render("message.html", text=printable(str(text)), kind=kind)
