"""A report of many methods: every one told apart, names that do not cover each other or the curves,
and pairs of methods that do not bury the rest of the page."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib
import pytest

from bench.reporting.figures.curves import HEIGHT, MOST_BANDS, convergence_figure
from bench.reporting.figures.drawing import style
from bench.reporting.figures.strokes import OTHERS, STROKES, Stroke, assign
from bench.reporting.groups import Group, group_runs
from bench.reporting.page import Report, write_report
from bench.reporting.sections import read_curves
from bench.store.runs import Run, scan
from tests.support.fabricated import make_spec, write_run

METHODS = [f"Method {place} of a long name" if place % 5 else f"M{place}" for place in range(26)]
GROUNDS = "#ffffff", "#161616"  # of a light and a dark page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = tmp_path_factory.mktemp("many")
    for place, method in enumerate(METHODS):
        for seed in range(2):
            spec = make_spec("glyphs", "Proxy-NCA", seed)
            changes = {"method": method, "loss": f"loss_{place:02}"}
            write_run(results, spec.model_copy(update=changes), gain=0.01 * place)
    return scan(results)[0]


@pytest.fixture(scope="module")
def report(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(runs, tmp_path_factory.mktemp("report"), title="Many")


def many(group: Group, losses: int, variants: int) -> list[Group]:
    """Groups of made-up losses, and variants of the first of them."""
    names = [*STROKES, *(f"loss {place:03}" for place in range(losses - len(STROKES)))]
    groups = [replace(group, method=name, loss=name) for name in names]
    return groups + [
        replace(group, method=f"{names[0]}, variant {place:02}", loss=names[0])
        for place in range(variants)
    ]


def test_every_method_has_a_stroke_of_its_own_in_grey_too(runs: list[Run]) -> None:
    groups = many(group_runs(runs)[0], losses=77, variants=42)
    strokes = assign(groups)
    assert len(strokes) == 77 + 42
    assert len({(stroke.dashes, stroke.marker) for stroke in strokes.values()}) == 77 + 42
    first = [strokes[f"loss {place:03}"] for place in range(4)]
    assert tuple(first[:3]) == OTHERS
    assert first[3] == Stroke("#8C6BD1", (12, 4), "o")
    assert {name: strokes[name] for name in STROKES} == STROKES


def test_a_figure_of_26_losses_uses_twelve_colours_evenly(
    runs: list[Run],
) -> None:
    strokes = list(assign(many(group_runs(runs)[0], losses=26, variants=0)).values())
    colours = [stroke.colour for stroke in strokes]
    assert len(set(colours)) == 12
    assert all(colours.count(colour) <= 3 for colour in colours)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_colour_is_seen_on_a_light_and_a_dark_page(runs: list[Run]) -> None:
    for stroke in assign(many(group_runs(runs)[0], losses=26, variants=0)).values():
        for ground in GROUNDS:
            pair = sorted((luminance(stroke.colour), luminance(ground)))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, stroke


@pytest.mark.parametrize("count", [3, 26])
def test_names_beside_the_curves_do_not_cover_each_other(runs: list[Run], count: int) -> None:
    groups = group_runs(runs)[:count]
    curves, _ = read_curves(groups)
    with matplotlib.rc_context(style()):
        figure = convergence_figure(curves, assign(groups))
        figure.canvas.draw()
        for panel in figure.axes:
            assert len(panel.texts) == count
            boxes = [text.get_window_extent() for text in panel.texts]
            assert all(not one.overlaps(other) for one, other in combinations(boxes, 2))
            assert all(box.x0 > panel.bbox.x1 for box in boxes)
            assert all(box.y0 >= 0 and box.y1 <= figure.bbox.y1 for box in boxes)
            bands = len(panel.collections)
            assert bands == (count if count <= MOST_BANDS else 0)
    assert (figure.get_figheight() == HEIGHT) == (count == 3)


def test_text_says_that_bands_are_left_out(report: Report) -> None:
    page = report.html.read_text(encoding="utf-8")
    assert "no intervals, as there are more than 8 methods" in page
    assert "without bands, as those of more than 8 methods would hide each other" in page


def test_pairs_with_the_best_method_are_shown_and_all_others_folded(report: Report) -> None:
    page = report.html.read_text(encoding="utf-8")
    before, folded = page.split("<details>")
    folded, after = folded.split("</details>")
    assert "<summary>All other pairs of methods (300)</summary>" in folded
    rows = r'<tr><th scope="row">(.*?) minus (.*?)</th>'
    assert len(re.findall(rows, folded)) == 300
    assert len({best for best, _ in re.findall(rows, before)}) == 1
    assert len(re.findall(rows, before)) == 25
    assert not re.findall(rows, after)


def test_up_to_eight_methods_all_pairs_are_shown(runs: list[Run], tmp_path: Path) -> None:
    chosen = [run for run in runs if run.spec["method"] in METHODS[:8]]
    page = write_report(chosen, tmp_path, title="Eight").html.read_text(encoding="utf-8")
    assert "<details>" not in page
    assert len(re.findall(r"<tr><th scope=\"row\">.*? minus .*?</th>", page)) == 28
