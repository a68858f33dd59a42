"""HTML from the templates, which escape every text."""

import re
from typing import Any

from markupsafe import Markup, escape

from bench.reporting.tables import templates
from bench.suggest import printable

LONGEST = 48  # characters of a name on a card


def render(template: str, **values: Any) -> str:
    """One of `templates/` as HTML."""
    environment = templates("demo")
    environment.filters["short"] = short
    return environment.get_template(template).render(values).strip()


def short(name: str) -> Markup:
    """A name that may be broken after a slash or an underscore; of a long one both ends, as names
    differ at their ends."""
    kept = name if len(name) <= LONGEST else f"{name[:20].rstrip()}…{name[-27:].lstrip()}"
    return Markup(re.sub("([/_])", r"\1<wbr>", str(escape(kept))))


def message(text: object, kind: str) -> str:
    """A paragraph on what cannot be shown; kind: "notice" or "problem"."""
    return render("message.html", text=printable(str(text)), kind=kind)
