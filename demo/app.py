"""Gradio's wiring: the controls, and which of them leads to which address. `page.py` decides what
is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from demo.library import Library
from demo.page import Page, show
from demo.render.browse import render_head
from demo.routes import picture_route
from demo.style import PUSH, REPLACE, REVEAL, head, static
from demo.view import NEIGHBORS, read_address, to_int

HOST = "127.0.0.1"  # no other machine on the network can reach it
STEPS = {
    "previous": "Previous",
    "next": "Next",
    "random": "Random",
    "failure": "Random failure",
}  # step -> label of its button
NOTHING = [gr.skip()] * 10  # leaves every component of `Controls.outputs` as it is


@dataclass(frozen=True)
class Controls:
    """What a user changes and what then changes on the page."""

    address: gr.Textbox  # never shown: the page's state, as in the browser's address
    shelf: gr.Dropdown
    run: gr.Dropdown
    tabs: gr.Tabs
    tab: dict[str, gr.Tab]
    query: gr.Number
    steps: dict[str, gr.Button]
    k: gr.Slider
    card: gr.HTML
    grid: gr.HTML
    results: gr.HTML
    curves: gr.HTML

    def outputs(self) -> list[Any]:
        """The components that `updates` fills, in its order."""
        first = [self.address, self.shelf, self.run, self.query, self.k, self.tabs]
        return [*first, self.card, self.grid, self.results, self.curves]


def build(library: Library) -> gr.Blocks:
    """The page over an opened library; its address is its only state."""
    with gr.Blocks(title="Retrieval browser", analytics_enabled=False, fill_width=True) as blocks:
        wire(blocks, lay_out(library), library)
    return blocks


def launch(blocks: gr.Blocks, library: Library, *, port: int, open_browser: bool) -> str:
    """Serve the page from threads of this process and return its address; nothing goes outside.

    Raises: OSError if the port is in use.
    """
    _, address, _ = blocks.launch(
        server_name=HOST,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        pwa=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        app_kwargs={"routes": [picture_route(library)]},
        theme=gr.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        head=head(),
    )
    return str(address)


def notice(library: Library) -> str:
    """What to know about these results; empty if they are those of the given folder."""
    if library.fallback is None:
        return ""
    return (
        f"These are the reference results that come with the project ({library.results}): "
        f"{library.fallback / 'runs'} holds no finished run. `tox -e bench` makes your own."
    )


def lay_out(library: Library) -> Controls:
    """Create the controls inside the `gr.Blocks` that is open."""
    html(render_head(notice(library), library.problems), "head")
    address = gr.Textbox(visible=False)
    with gr.Row(elem_id="choice"):
        titles = [(title, key) for key, title in library.titles.items()]
        shelf = gr.Dropdown(titles, label="Data set", elem_id="ds", min_width=130)
        run = gr.Dropdown([], label="Run", elem_id="run", min_width=130)
    tab = {}
    with gr.Tabs(elem_id="tabs") as tabs:
        with gr.Tab("Browse", id="browse") as tab["browse"]:
            with gr.Row(elem_id="steps"):
                query = gr.Number(label="Query", precision=0, elem_id="q", min_width=110)
                k = gr.Slider(1, NEIGHBORS, step=1, label="Neighbours", elem_id="k", min_width=190)
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
    return Controls(address, shelf, run, tabs, tab, query, steps, k, card, grid, results, curves)


def html(value: str, name: str, js_on_load: str | None = None) -> gr.HTML:
    """A part of the page with our own styles."""
    return gr.HTML(value, elem_id=name, apply_default_css=False, js_on_load=js_on_load)


def wire(blocks: gr.Blocks, controls: Controls, library: Library) -> None:
    """Connect every event to the page that it leads to, and that page to the browser's address."""
    address = controls.address

    def connect(listen: Callable[..., Any], handler: Any, inputs: list[Any], js: str) -> Any:
        return listen(
            handler,
            inputs,
            controls.outputs(),
            trigger_mode="always_last",
            show_progress="hidden",
            api_visibility="private",
            concurrency_id="page",  # one at a time: answers come in the order of the actions
            concurrency_limit=1,
        ).then(None, [address], None, js=js, show_progress="hidden")

    def load(request: gr.Request) -> list[Any]:
        return updates(library, show(library, dict(request.query_params)), select_tab=True)

    def navigate(event: gr.EventData) -> list[Any]:
        page = show(library, read_address(getattr(event, "address", "")))
        return updates(library, page, select_tab=True)

    def pick(address: str, event: gr.EventData) -> list[Any]:
        picked = {"q": getattr(event, "id", None)}
        return updates(library, show(library, read_address(address) | picked))

    connect(blocks.load, load, [], REPLACE)
    connect(controls.grid.nav, navigate, [], REPLACE)
    connect(controls.grid.pick, pick, [address], PUSH).then(None, js=REVEAL)
    for name, listen, control in (
        ("ds", controls.shelf.input, controls.shelf),
        ("run", controls.run.input, controls.run),
        ("q", controls.query.submit, controls.query),
        ("q", controls.query.blur, controls.query),
        ("k", controls.k.release, controls.k),
    ):
        connect(listen, partial(change, library, name), [address, control], PUSH)
    for step, button in controls.steps.items():
        connect(button.click, partial(move, library, step), [address], PUSH)
    for name, tab in controls.tab.items():
        connect(tab.select, partial(open_tab, library, name), [address], PUSH)


def change(library: Library, name: str, address: str, value: object) -> list[Any]:
    """The page after a control of the address part `name` was changed."""
    parameters = read_address(address)
    # The query's field also sends "blur" when a button is pressed: nothing was changed then, and an
    # answer that came after the button's would take the button's back.
    query = to_int(value)
    if name == "q" and query is not None and query == to_int(parameters.get("q")):
        return NOTHING
    return updates(library, show(library, parameters | {name: value}))


def move(library: Library, step: str, address: str) -> list[Any]:
    """The page after a step."""
    return updates(library, show(library, read_address(address), step))


def open_tab(library: Library, name: str, address: str) -> list[Any]:
    """The page after a tab was selected."""
    parameters = read_address(address)
    # Gradio also sends "select" before the page is loaded and when an address chose the tab.
    if not address or parameters.get("tab") == name:
        return NOTHING
    return updates(library, show(library, parameters | {"tab": name}))


def updates(library: Library, page: Page, *, select_tab: bool = False) -> list[Any]:
    """The page as values for `Controls.outputs`; a closed tab is left as it is.

    The tab is selected only where an address chose it: a user's click has already selected it, and
    to select it again while the next click is being handled would take that click back.
    """
    view = page.view
    runs = [(label, name) for name, label in library.shelf(view.shelf).run_labels.items()]
    return [
        page.address,
        view.shelf,
        gr.update(choices=runs, value=view.run),
        gr.update(value=view.query, label=f"Query (0 to {max(page.queries - 1, 0)})"),
        gr.update(value=view.neighbors, maximum=max(page.kept, 1)),
        gr.update(selected=view.tab) if select_tab else gr.skip(),
        page.query,
        page.neighbors,
        gr.skip() if page.results is None else page.results,
        gr.skip() if page.curves is None else page.curves,
    ]
