"""Figures that hold: strokes that differ, names that cover nothing, files that follow the page;
and a report of many methods."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from bench.reporting.cost.convergence import read_curves
from bench.reporting.figures import (
    INK,
    MOST_BANDS,
    STROKES,
    assign,
    convergence_figure,
    power_of_ten,
    rc_params,
    roc_figure,
    save_figure,
    scores_figure,
)
from bench.reporting.groups import comparable_frame
from bench.reporting.page import Report, write_report
from bench.reporting.statistics.stats import mean_interval
from bench.store.runs import Run, save_arrays, scan
from tests.support.fabricated import make_spec, owner, seal, write_run
from tests.support.quick_reports import without_figures

if TYPE_CHECKING:
    import pandas as pd

pytestmark = pytest.mark.usefixtures("few_draws")

METHODS = [f"Method {i} of a long name" if i % 5 else f"M{i}" for i in range(26)]
BACKGROUNDS = "#ffffff", "#161616"  # of a light and a dark page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = tmp_path_factory.mktemp("many")
    for i, method in enumerate(METHODS):
        for seed in range(2):
            spec = make_spec("glyphs", "Proxy-NCA", seed)
            changes = {"method": method, "loss": f"loss_{i:02}"}
            path = write_run(results, spec.model_copy(update=changes), gain=0.01 * i)
            far = np.geomspace(1e-5, 1, 200)
            roc = {"far": far, "tar": far ** (1 / (2 + i + seed))}
            save_arrays(path / "roc.safetensors", roc, owner(path))
            seal(path)
    return scan(results)[0]


@pytest.fixture(scope="module")
def members(runs: list[Run]) -> "pd.DataFrame":
    return comparable_frame(runs)


@pytest.fixture(scope="module")
def report(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(runs, tmp_path_factory.mktemp("report"), title="Many")


def many(losses: int, variants: int) -> dict[str, str]:
    """Made-up methods with their losses, and variants of the first loss."""
    names = [*STROKES, *(f"loss {i:03}" for i in range(losses - len(STROKES)))]
    return {name: name for name in names} | {
        f"{names[0]}, variant {i:02}": names[0] for i in range(variants)
    }


def test_every_method_has_a_line_and_marker_of_its_own_and_the_colour_of_its_loss() -> None:
    strokes = assign(many(losses=77, variants=42))
    assert len({(stroke.dashes, stroke.marker) for stroke in strokes.values()}) == 77 + 42
    assert {name: strokes[name] for name in STROKES} == STROKES
    for name, stroke in strokes.items():
        if "variant" in name:
            assert stroke.colour == STROKES["proxy_nca"].colour


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_26_losses_share_twelve_colours_that_are_seen_on_light_and_dark_pages() -> None:
    colours = [stroke.colour for stroke in assign(many(losses=26, variants=0)).values()]
    assert len(set(colours)) == 12
    assert all(colours.count(colour) <= 3 for colour in colours)
    for colour in colours:
        for background in BACKGROUNDS:
            pair = sorted((luminance(colour), luminance(background)))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, colour


@pytest.mark.parametrize("count", [3, 26])
def test_a_legend_beside_the_panels_names_every_method(
    runs: list[Run], members: "pd.DataFrame", count: int
) -> None:
    methods = list(members["method"].unique())[:count]
    names = dict(zip(members["run"], members["method"], strict=True))
    curves, _ = read_curves([run for run in runs if names[run.name] in methods], names)
    with matplotlib.rc_context(rc_params()):
        figure = convergence_figure(curves, assign({method: method for method in methods}))
        figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == methods
    box = legend.get_window_extent()
    assert 0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert box.x1 <= figure.bbox.x1
    for panel in figure.axes:
        assert panel.bbox.x1 < box.x0
        assert len(panel.collections) == (count if count <= MOST_BANDS else 0)


def test_curves_and_bands_are_means_and_intervals_over_seeds(
    runs: list[Run], members: "pd.DataFrame"
) -> None:
    names = dict(zip(members["run"], members["method"], strict=True))
    curves, _ = read_curves([run for run in runs if names[run.name] == METHODS[1]], names)
    with matplotlib.rc_context(rc_params()):
        panel = convergence_figure(curves, assign({METHODS[1]: "x"})).axes[0]
    at_end = curves.loc[curves["step"] == 100, "recall@1"]
    expected = mean_interval(list(100 * at_end))
    line = np.asarray(panel.lines[0].get_xydata())
    assert line[-1].tolist() == pytest.approx([100, expected.mean])
    curves.loc[curves["seed"] == 1, "machine"] = "elsewhere"
    with matplotlib.rc_context(rc_params()):
        mixed = convergence_figure(curves, assign({METHODS[1]: "x"})).axes
    words = "Training time (seconds)", "2 kinds of machine or arithmetic"
    assert [panel.get_xlabel() for panel in mixed[2:]] == ["Optimizer steps", ", ".join(words)]
    vertices = np.asarray(panel.collections[0].get_paths()[0].vertices)
    heights = vertices[vertices[:, 0] == 100, 1]
    assert expected.half is not None
    low, high = max(expected.mean - expected.half, 0), min(expected.mean + expected.half, 100)
    assert [heights.min(), heights.max()] == pytest.approx([low, high])


def test_scores_figure_draws_mean_interval_and_seeds(members: "pd.DataFrame") -> None:
    own = members[members["method"] == METHODS[1]]
    with matplotlib.rc_context(rc_params()):
        panel = scores_figure(own, assign({METHODS[1]: "x"})).axes[0]
    expected = mean_interval(list(100 * own["recall@1"]))
    assert expected.half is not None
    drawn = np.concatenate([np.asarray(line.get_xydata())[:, 0] for line in panel.lines])
    ends = expected.mean - expected.half, expected.mean + expected.half
    for value in (expected.mean, *ends):
        assert np.isclose(drawn, value).any()
    dots = np.asarray(panel.collections[0].get_offsets())[:, 0]
    assert sorted(dots) == pytest.approx(sorted(100 * own["recall@1"]))


def test_the_roc_is_the_mean_over_seeds_with_powers_of_ten_below(
    runs: list[Run], members: "pd.DataFrame", tmp_path: Path
) -> None:
    strokes = assign(dict(zip(members["method"], members["loss"], strict=True)))
    with matplotlib.rc_context(rc_params()):
        figure = roc_figure(members, runs, strokes)
        assert figure is not None
        (svg, _), _ = save_figure(figure, tmp_path / "roc")
    first = members["method"].iloc[0]
    rocs = [run.roc for run in runs if run.spec["method"] == first]
    mean = np.mean([roc["tar"] for roc in rocs if roc is not None], axis=0)
    assert np.asarray(figure.axes[0].lines[0].get_ydata()) == pytest.approx(100 * mean)
    text = svg.read_text(encoding="utf-8")
    assert "mathdefault" not in text
    assert all(tick in text for tick in ("10⁻⁵", "10⁻¹", "10⁰"))
    assert power_of_ten(1e-12) == "10⁻¹²"


def test_figures_follow_the_page_and_name_every_method(report: Report) -> None:
    assert len(report.figures) == 2 * 5
    for path in report.figures:
        if path.suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            words = " ".join("".join(ElementTree.fromstring(text).itertext()).split())
            assert INK not in text
            assert "currentColor" in text
            assert all(method in words for method in METHODS)
            assert "over seeds" in words or "over targets and seeds" in words
        else:
            with Image.open(path) as image:
                assert image.width >= 1500
                assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_pairs_with_the_best_method_are_shown_and_all_others_folded(report: Report) -> None:
    page = report.html.read_text(encoding="utf-8")
    assert page.count("no intervals, as bands of more than 8 methods") == 2  # figure and caption
    before, folded = page.split("<details>", 1)
    folded, after = folded.split("</details>", 1)
    assert "<summary>All other pairs of methods (300)</summary>" in folded
    rows = r'<tr><th scope="row">(.*?) minus (.*?)</th>'
    assert len(re.findall(rows, folded)) == 300
    assert len({best for best, _ in re.findall(rows, before)}) == 1
    assert len(re.findall(rows, before)) == 25
    differences, others = after.split("Other seeds, other classes")
    assert not re.findall(rows, differences)
    assert len(re.findall(rows, others)) == 25  # shown again with both uncertainties


def test_up_to_eight_methods_all_pairs_are_shown(runs: list[Run], tmp_path: Path) -> None:
    chosen = [run for run in runs if run.spec["method"] in METHODS[:8]]
    with without_figures():
        page = write_report(chosen, tmp_path, title="Eight").html.read_text(encoding="utf-8")
    assert "All other pairs" not in page
    assert len(re.findall(r"<tr><th scope=\"row\">.*? minus .*?</th>", page)) == 2 * 28
