"""The controls of the page and where they stand."""

from dataclasses import dataclass

import gradio as gr

from demo.library import Library
from demo.render.query import render_head
from demo.style import ON_LOAD
from demo.view import NEIGHBORS

STEP_LABELS = {
    "previous": "Previous",
    "next": "Next",
    "random": "Random",
    "failure": "Random failure",
}
TAB_LABELS = {"browse": "Browse", "results": "Results", "curves": "Curves"}


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


def lay_out(library: Library) -> Controls:
    """Create the controls inside the `gr.Blocks` that is open."""
    gr.HTML(render_head(notice(library), library.problems), elem_id="head", apply_default_css=False)
    address = gr.Textbox(visible=False)
    with gr.Row(elem_id="choice"):
        titles = [(title, key) for key, title in library.titles.items()]
        shelf = gr.Dropdown(titles, label="Data set", elem_id="ds", min_width=130)
        run = gr.Dropdown([], label="Run", elem_id="run", min_width=130)
    tab = {}
    with gr.Tabs(elem_id="tabs") as tabs:
        with gr.Tab(TAB_LABELS["browse"], id="browse") as tab["browse"]:
            query, steps, k = lay_out_steps()
            card = gr.HTML(elem_id="card", apply_default_css=False)
            grid = gr.HTML(elem_id="grid", apply_default_css=False, js_on_load=ON_LOAD)
        with gr.Tab(TAB_LABELS["results"], id="results") as tab["results"]:
            results = gr.HTML(elem_id="results", apply_default_css=False)
        with gr.Tab(TAB_LABELS["curves"], id="curves") as tab["curves"]:
            curves = gr.HTML(elem_id="curves", apply_default_css=False)
    return Controls(address, shelf, run, tabs, tab, query, steps, k, card, grid, results, curves)


def lay_out_steps() -> tuple[gr.Number, dict[str, gr.Button], gr.Slider]:
    """The row that says which query and how many neighbours."""
    with gr.Row(elem_id="steps"):
        query = gr.Number(label="Query", precision=0, elem_id="q", min_width=110)
        k = gr.Slider(1, NEIGHBORS, step=1, label="Neighbours", elem_id="k", min_width=190)
        steps = {
            step: gr.Button(label, elem_id=step, min_width=80, size="md")
            for step, label in STEP_LABELS.items()
        }
    return query, steps, k


def notice(library: Library) -> str:
    """What to know about these results; empty if they are those that were asked for."""
    if library.fallback is None:
        return ""
    return (
        f"These are the reference results that come with the project ({library.results}): "
        f"{library.fallback / 'runs'} holds no finished run. `tox -e bench` makes your own."
    )
