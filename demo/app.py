"""Gradio's part: one element that holds the page, and the one event that asks for another."""

from importlib.resources import files

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from demo.guard import Guard, allowed_names
from demo.library import Library
from demo.page import draw
from demo.routes import picture_route
from demo.view import read_address


def build(library: Library) -> gr.Blocks:
    """The page over an opened library; its address is its only state.

    The handlers are coroutines that never wait, so Gradio runs one at a time, in the order of the
    actions. Its queue would do so too, but its page sometimes loses an event there: when one
    answer closes the stream of answers while the next event joins, that one is never answered.
    """

    async def load(request: gr.Request) -> str:
        return draw(library, dict(request.query_params))

    async def navigate(event: gr.EventData) -> str:
        return draw(library, read_address(getattr(event, "address", "")))

    with gr.Blocks(title="Retrieval browser", analytics_enabled=False, fill_width=True) as blocks:
        page = gr.HTML("", elem_id="page", apply_default_css=False, js_on_load=static("page.js"))
        for listen, handler in ((blocks.load, load), (page.nav, navigate)):
            listen(
                handler,
                None,
                page,
                trigger_mode="multiple",
                show_progress="hidden",
                api_visibility="private",
                queue=False,
            )
    return blocks


def application(blocks: gr.Blocks, library: Library, host: str) -> FastAPI:
    """The server's routes: the pictures and the page, behind the guard of requests to `host`."""
    names, any_address = allowed_names(host)
    values = {key: len(event.inputs) for key, event in blocks.fns.items() if event.fn is not None}
    app = FastAPI(
        openapi_url=None,
        routes=[picture_route(lambda: library)],
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
        head=f"<style>{static('page.css')}</style>",
    )
    return served


def static(name: str) -> str:
    """Text of a file in `static`."""
    return files("demo").joinpath("static", name).read_text(encoding="utf-8")
