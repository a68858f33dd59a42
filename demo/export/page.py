"""The page of an export and its script, which hold no data but what each page needs."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from demo.export.javascript import scripts
from demo.pages import LENGTH
from demo.pictures import SMALL
from demo.render import render
from demo.tabs.explore import MOST_CLASSES, MOST_MISSED, STEPS
from demo.tabs.map import LISTED, NEAREST_ZOOM
from demo.view import ALWAYS, AREA, CHOICES, KEYS, LEAST, LONGEST, TABS, View

SHOWN = ("start", "explore", "compare", "map", "results")  # of `TABS`
TEMPLATES = (  # which import each other, those first that others need
    "parts.html",
    "canvas.html",
    "sets.html",
    "message.html",
    "page.html",
    "export_start.html",
    "explore.html",
    "compare.html",
    "map.html",
)
BEFORE = ("store.js", "view.js", "retrieved.js", "tabs.js", "main.js")
# A file from disk is not of the origin 'self'.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def page(titles: Sequence[str]) -> str:
    """`index.html`, with the titles of its data sets."""
    style = static("page.css") + static("export/page.css")
    return (
        render(
            "export.html",
            policy=POLICY,
            style=style,
            title=f"Retrieval browser: {', '.join(titles)}",
        )
        + "\n"
    )


def script(content: Mapping[str, Any]) -> str:
    """`page.js`: the content that every page needs, templates and what draws them."""
    return "\n".join(
        (
            f"const EXPORT = {json.dumps({**content, **rules()})};",
            static("export/templating.js"),
            scripts(TEMPLATES),
            *(static(f"export/{name}") for name in BEFORE),
            static("controls.js"),
            static("map.js"),
            "draw();\n",
        )
    )


def rules() -> dict[str, Any]:
    """What the page takes from the browser: its tabs, steps, limits and the rules of addresses."""
    return {
        "tabs": {key: TABS[key] for key in SHOWN},
        "steps": STEPS,
        "limits": {
            "LENGTH": LENGTH,
            "LISTED": LISTED,
            "MOST_CLASSES": MOST_CLASSES,
            "MOST_MISSED": MOST_MISSED,
            "NEAREST_ZOOM": NEAREST_ZOOM,
            "SMALL": SMALL,
        },
        "rules": {
            "fields": vars(View("", "", "")),
            "keys": KEYS,
            "choices": CHOICES,
            "least": LEAST,
            "always": ALWAYS,
            "longest": LONGEST,
            "area": AREA.pattern,
        },
    }


def data(path: str, content: object) -> str:
    """A script that holds content, under its own path."""
    return f"arrived[{json.dumps(path)}] = {json.dumps(content)};\n"


def static(name: str) -> str:
    """Text of a file in `static`."""
    return files("demo").joinpath("static", *name.split("/")).read_text(encoding="utf-8")
