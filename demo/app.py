"""Gradio's wiring: which control leads to which address. What is shown is decided in page.py."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from demo.layout import Controls, lay_out
from demo.library import Library
from demo.page import Page, show
from demo.routes import picture_route
from demo.style import HEAD, PUSH, REPLACE, REVEAL
from demo.view import read_address, to_int

HOST = "127.0.0.1"  # nobody else on the network can reach it
OUTPUTS = 10  # components that `outputs` lists and `updates` fills


def build(library: Library) -> gr.Blocks:
    """The page over an opened library; its state is its address alone."""
    with gr.Blocks(title="Retrieval browser", analytics_enabled=False, fill_width=True) as blocks:
        controls = lay_out(library)
        wire(blocks, controls, library)
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
        head=HEAD,
    )
    return str(address)


def wire(blocks: gr.Blocks, controls: Controls, library: Library) -> None:
    """Connect every event to the page that it leads to, and that page to the browser's address."""
    address = controls.address

    def connect(listen: Callable[..., Any], handler: Any, inputs: list[Any], js: str) -> Any:
        return listen(
            handler,
            inputs,
            outputs(controls),
            trigger_mode="always_last",
            show_progress="hidden",
            api_visibility="private",
            concurrency_id="page",  # one at a time: answers come in the order of the actions
            concurrency_limit=1,
        ).then(None, [address], None, js=js, show_progress="hidden")

    connect(blocks.load, on_load(library), [], REPLACE)
    connect(controls.grid.nav, on_navigation(library), [], REPLACE)
    connect(controls.grid.pick, on_pick(library), [address], PUSH).then(None, js=REVEAL)
    for name, listen, control in (
        ("ds", controls.shelf.input, controls.shelf),
        ("run", controls.run.input, controls.run),
        ("q", controls.query.submit, controls.query),
        ("q", controls.query.blur, controls.query),
        ("k", controls.k.release, controls.k),
    ):
        connect(listen, on_change(library, name), [address, control], PUSH)
    for step, button in controls.steps.items():
        connect(button.click, on_step(library, step), [address], PUSH)
    for name, tab in controls.tab.items():
        connect(tab.select, on_tab(library, name), [address], PUSH)


def on_load(library: Library) -> Callable[[gr.Request], list[Any]]:
    def handler(request: gr.Request) -> list[Any]:
        return updates(library, show(library, dict(request.query_params)), select_tab=True)

    return handler


def on_navigation(library: Library) -> Callable[[gr.EventData], list[Any]]:
    def handler(event: gr.EventData) -> list[Any]:
        page = show(library, read_address(getattr(event, "address", "")))
        return updates(library, page, select_tab=True)

    return handler


def on_pick(library: Library) -> Callable[[str, gr.EventData], list[Any]]:
    def handler(address: str, event: gr.EventData) -> list[Any]:
        picked = {"q": getattr(event, "id", None)}
        return updates(library, show(library, read_address(address) | picked))

    return handler


def on_change(library: Library, name: str) -> Callable[[str, object], list[Any]]:
    def handler(address: str, value: object) -> list[Any]:
        parameters = read_address(address)
        # The query's field also says "blur" when a button is pressed: nothing was changed then, and
        # an answer that came after the button's would take the button's back.
        if (
            name == "q"
            and to_int(value) is not None
            and to_int(value) == to_int(parameters.get("q"))
        ):
            return [gr.skip()] * OUTPUTS
        return updates(library, show(library, parameters | {name: value}))

    return handler


def on_step(library: Library, step: str) -> Callable[[str], list[Any]]:
    def handler(address: str) -> list[Any]:
        return updates(library, show(library, read_address(address), step))

    return handler


def on_tab(library: Library, name: str) -> Callable[[str], list[Any]]:
    def handler(address: str) -> list[Any]:
        parameters = read_address(address)
        # Gradio also says "select" before the page is loaded and when an address chose the tab.
        if not address or parameters.get("tab") == name:
            return [gr.skip()] * OUTPUTS
        return updates(library, show(library, parameters | {"tab": name}))

    return handler


def outputs(controls: Controls) -> list[Any]:
    """The components that `updates` fills, in its order."""
    return [
        controls.address,
        controls.shelf,
        controls.run,
        controls.query,
        controls.k,
        controls.tabs,
        controls.card,
        controls.grid,
        controls.results,
        controls.curves,
    ]


def updates(library: Library, page: Page, *, select_tab: bool = False) -> list[Any]:
    """The page as values for `outputs`; a closed tab is left as it is.

    The tab is selected only where an address chose it: a user's click has done so already, and
    to select it once more while the next click is under way would take that click back.
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
