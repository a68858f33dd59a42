"""Gradio's part: one element that holds the page, and the one event that asks for another."""

from importlib.resources import files

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from demo.opened import Opened
from demo.own.routes import own_routes
from demo.serving.guard import Guard, allowed_names
from demo.serving.routes import picture_route, points_route
from demo.view import read_address

SCRIPTS = ("page.js", "controls.js", "map.js", "own.js")  # one after another, as one script


def build(opened: Opened) -> gr.Blocks:
    """The page over an opened results folder; its address is its only state."""

    def load(request: gr.Request) -> str:
        return opened.draw(dict(request.query_params))

    def navigate(event: gr.EventData) -> str:
        return opened.draw(read_address(requested(event)))

    with gr.Blocks(title="Retrieval browser", analytics_enabled=False, fill_width=True) as blocks:
        page = gr.HTML(
            "",
            elem_id="page",
            apply_default_css=False,
            js_on_load="".join(map(static, SCRIPTS)),
        )
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


def requested(event: gr.EventData) -> object:
    """The address that an event holds; it may hold anything else, or nothing."""
    try:
        return event.address
    except (AttributeError, TypeError):
        return ""


def application(blocks: gr.Blocks, opened: Opened, host: str) -> FastAPI:
    """The server's routes: the pictures and the page, behind the guard of requests to `host`."""
    names, any_address = allowed_names(host)
    values = {key: len(event.inputs) for key, event in blocks.fns.items() if event.fn is not None}
    app = FastAPI(
        openapi_url=None,
        routes=[
            picture_route(lambda: opened.library),
            points_route(lambda: opened.library),
            *own_routes(opened.library.uploads, opened.current),
        ],
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
