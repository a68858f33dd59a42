"""Gradio's wiring: the controls, and which of them leads to which address. `page.py` decides what
is shown."""

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from demo.guard import Guard, allowed_names
from demo.library import Library
from demo.page import show
from demo.render import render
from demo.retrieved import STEPS
from demo.routes import picture_route
from demo.view import NEIGHBORS, read_address, to_int

NOTHING = [gr.skip()] * 10  # leaves every component of `lay_out` as it is
PUSH = """(address) => {
  if (address && address !== location.search) history.pushState(null, '', address);
}"""
REPLACE = "(address) => { history.replaceState(null, '', address); }"
# The picked picture is above the grid: bring it into view where the screen is small.
REVEAL = "() => document.querySelector('#card')?.scrollIntoView({block: 'nearest'})"


def build(library: Library) -> gr.Blocks:
    """The page over an opened library; its address is its only state."""
    with gr.Blocks(title="Retrieval browser", analytics_enabled=False, fill_width=True) as blocks:
        wire(blocks, library, *lay_out(library))
    return blocks


def application(blocks: gr.Blocks, library: Library, host: str) -> FastAPI:
    """The server's routes: the pictures and the page, behind the guard of requests to `host`."""
    names, any_address = allowed_names(host)
    values = {key: len(event.inputs) for key, event in blocks.fns.items() if event.fn is not None}
    app = FastAPI(
        openapi_url=None,
        routes=[picture_route(library)],
        middleware=[Middleware(Guard, names=names, any_address=any_address, values=values)],
    )
    served: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        ssr_mode=False,
        pwa=False,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        footer_links=[],
        theme=gr.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        # As Gradio's `css`, every rule would get a prefix, which changes which rule wins.
        head=f"<style>{static('page.css')}</style><script>{static('combobox.js')}</script>",
    )
    return served


def static(name: str) -> str:
    """Text of a file in `static`."""
    return files("demo").joinpath("static", name).read_text(encoding="utf-8")


def notice(library: Library) -> str:
    """What to know about these results; empty if they are those of the given folder."""
    if library.fallback is None:
        return ""
    found = "no run that can be read" if library.problems else "no finished run"
    return (
        f"These are the reference results that come with the project ({library.results}): "
        f"{library.fallback / 'runs'} holds {found}. `proxy-bench run` makes your own."
    )


def lay_out(library: Library) -> tuple[dict[str, Any], dict[str, gr.Button], dict[str, gr.Tab]]:
    """Create the controls inside the `gr.Blocks` that is open.

    Returns: the components that `updates` fills, in its order; step -> button; name -> tab.
    """
    html(render("head", notice(library), library.problems), "head")
    address = gr.Textbox(visible=False)  # the page's state, as in the browser's address
    with gr.Row(elem_id="choice"):
        titles = [(title, key) for key, title in library.titles.items()]
        shelf = gr.Dropdown(titles, label="Data set", elem_id="ds", min_width=130)
        run = gr.Dropdown([], label="Run", elem_id="run", min_width=130)
    tab = {}
    with gr.Tabs(elem_id="tabs") as tabs:
        with gr.Tab("Browse", id="browse") as tab["browse"]:
            with gr.Row(elem_id="steps"):
                query = gr.Number(label="Query", precision=0, elem_id="q", min_width=110)
                k = gr.Slider(1, NEIGHBORS, step=1, label="Neighbors", elem_id="k", min_width=190)
                steps = {
                    step: gr.Button(text, elem_id=step, min_width=80, size="md")
                    for step, text in STEPS.items()
                }
            card = html("", "card")
            grid = html("", "grid", js_on_load=static("grid.js"))
        with gr.Tab("Results", id="results") as tab["results"]:
            results = html("", "results")
        with gr.Tab("Curves", id="curves") as tab["curves"]:
            curves = html("", "curves")
    filled = {"address": address, "ds": shelf, "run": run, "q": query, "k": k, "tabs": tabs}
    filled |= {"card": card, "grid": grid, "results": results, "curves": curves}
    return filled, steps, tab


def html(value: str, name: str, js_on_load: str | None = None) -> gr.HTML:
    """A part of the page with our own styles."""
    return gr.HTML(value, elem_id=name, apply_default_css=False, js_on_load=js_on_load)


def wire(
    blocks: gr.Blocks,
    library: Library,
    controls: dict[str, Any],
    steps: dict[str, gr.Button],
    tabs: dict[str, gr.Tab],
) -> None:
    """Connect every event to the page that it leads to, and that page to the browser's address.

    The handlers are coroutines that never wait, so Gradio runs one at a time, in the order of the
    actions. Its queue would do so too, but its page sometimes loses an event there: when one
    answer closes the stream of answers while the next event joins, that one is never answered.
    """
    address = controls["address"]

    def connect(listen: Callable[..., Any], handler: Any, inputs: list[Any], js: str) -> Any:
        return listen(
            handler,
            inputs,
            list(controls.values()),
            trigger_mode="always_last",
            show_progress="hidden",
            api_visibility="private",
            queue=False,
        ).then(None, [address], None, js=js, show_progress="hidden")

    async def load(request: gr.Request) -> list[Any]:
        return updates(library, dict(request.query_params), select_tab=True)

    async def navigate(event: gr.EventData) -> list[Any]:
        return updates(library, read_address(getattr(event, "address", "")), select_tab=True)

    async def pick(address: str, event: gr.EventData) -> list[Any]:
        return updates(library, read_address(address) | {"q": getattr(event, "id", None)})

    connect(blocks.load, load, [], REPLACE)
    connect(controls["grid"].nav, navigate, [], REPLACE)
    connect(controls["grid"].pick, pick, [address], PUSH).then(None, js=REVEAL)
    for name, event in {"ds": "input", "run": "input", "k": "release"}.items():
        inputs = [address, controls[name]]
        connect(getattr(controls[name], event), partial(change, library, name), inputs, PUSH)
    for listen in (controls["q"].submit, controls["q"].blur):
        connect(listen, partial(change_query, library), [address, controls["q"]], PUSH)
    for step, button in steps.items():
        connect(button.click, partial(move, library, step), [address], PUSH)
    for name, tab in tabs.items():
        connect(tab.select, partial(open_tab, library, name), [address], PUSH)


async def change(library: Library, name: str, address: str, value: object) -> list[Any]:
    """The page after a control of the address part `name` was changed."""
    return updates(library, read_address(address) | {name: value})


async def change_query(library: Library, address: str, value: object) -> list[Any]:
    """The page after the query's field was left or its number entered."""
    # The field also sends "blur" when a button is pressed: nothing was changed then, and an answer
    # that came after the button's would take the button's back.
    query = to_int(value)
    if query is not None and query == to_int(read_address(address).get("q")):
        return NOTHING
    return await change(library, "q", address, value)


async def move(library: Library, step: str, address: str) -> list[Any]:
    """The page after a step."""
    return updates(library, read_address(address), step)


async def open_tab(library: Library, name: str, address: str) -> list[Any]:
    """The page after a tab was selected."""
    # Gradio also sends "select" before the page is loaded and when an address chose the tab.
    if not address or read_address(address).get("tab") == name:
        return NOTHING
    return await change(library, "tab", address, name)


def updates(
    library: Library, parameters: dict[str, object], step: str = "", *, select_tab: bool = False
) -> list[Any]:
    """The page of an address after a step; a closed tab is left as it is.

    The tab is selected only where an address chose it: a user's click has already selected it, and
    to select it again while the next click is being handled would take that click back.
    """
    page = show(library, parameters, step)
    view = page.view
    shelf = library.shelf(view.shelf)
    runs = [(shelf.run_labels[run.name], run.name) for run in shelf.browsable]
    of_all = (
        "" if len(runs) == len(shelf.runs) else f" ({len(runs)} of {len(shelf.runs)} to browse)"
    )
    return [
        page.address,
        view.shelf,
        gr.update(choices=runs, value=view.run, label=f"Run{of_all}"),
        gr.update(value=view.query, label=f"Query (0 to {max(page.queries - 1, 0)})"),
        gr.update(value=view.neighbors, maximum=max(page.kept, 2)),  # Gradio: above 1
        gr.update(selected=view.tab) if select_tab else gr.skip(),
        page.query,
        page.neighbors,
        gr.skip() if page.results is None else page.results,
        gr.skip() if page.curves is None else page.curves,
    ]
