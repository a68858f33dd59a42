"""Published rows beside ours: matched by loss, with differences and conditions, never ranked."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pytest

from bench.published import Published, Score, published, select
from bench.reporting.beside import Beside, beside, difference
from bench.reporting.figures import rc_params
from bench.reporting.groups import comparable_frame, trained
from bench.reporting.page import Report, write_report
from bench.reporting.rows import summarise
from bench.reporting.years import published_figure
from bench.store.runs import Run, scan
from tests.support.fabricated import make_features, make_record, make_spec, write_results

pytestmark = pytest.mark.usefixtures("without_figures")

if TYPE_CHECKING:
    import pandas as pd

ROW = select(published(), dataset="cub200", method="Proxy NCA")[0]


def stored(score: float, seed: int = 0, method: str = "Proxy-NCA", **fields: object) -> Run:
    spec = make_spec("cub200", method, seed).model_copy(update=fields)
    return Run(
        Path("runs") / spec.run_name,
        make_record(spec, {"recall@1": score, "map@r": 0.2, "nmi": 0.61}, 48),
    )


def features(score: float) -> Run:
    spec = make_features("cub200", 0)
    return Run(Path("runs") / spec.run_name, make_record(spec, {"recall@1": score}, 48))


def matches(runs: list[Run], rows: list[Published]) -> list[Beside]:
    return beside(rows, summarise(runs), comparable_frame(runs))


def test_the_difference_is_that_of_the_means_in_points() -> None:
    (item,) = matches([stored(0.5), stored(0.55, 1)], [ROW])
    assert item.ours == "Proxy-NCA"
    assert item.scores.keys() == {"recall@1", "nmi"}  # the paper has no MAP@R
    mean, points = item.scores["recall@1"]
    assert mean == "52.5 ± 31.8"
    assert points == pytest.approx(52.5 - 49.21)
    assert difference(points) == "+3.3"
    assert difference(-0.04) == "−0.0"
    assert item.scores["nmi"][1] == pytest.approx(61 - 59.53)


def test_of_several_methods_with_a_loss_the_best_is_shown() -> None:
    runs = [
        stored(0.5),
        stored(0.6, loss_args={"scale": 3.0}),
        stored(0.9, method="Center + softmax"),
    ]
    (item,) = matches(runs, [ROW])
    assert item.ours == "Proxy-NCA (scale 3)"


def test_rows_of_losses_that_were_not_run_come_last_without_a_difference() -> None:
    rows = select(published(), dataset="cub200", years=(2017, 2017))
    items = matches([stored(0.5)], rows)
    assert len(items) == len(rows)
    assert [bool(item.ours) for item in items] == sorted(
        (bool(i.ours) for i in items), reverse=True
    )
    assert {item.published.loss for item in items if item.ours} == {"proxy_nca"}
    assert not any(item.scores for item in items if not item.ours)


def test_only_rows_of_the_data_set_and_split_are_beside_ours() -> None:
    items = matches([stored(0.5)], list(published()))
    assert {(i.published.dataset, i.published.protocol) for i in items} == {
        ("cub200", "class-disjoint")
    }
    assert matches([stored(0.5, split="official")], list(published())) == []


def test_frozen_rows_are_beside_pretrained_features_alone() -> None:
    frozen = select(published(), dataset="cub200", method="none")
    (item, *_) = matches([features(0.6), stored(0.9, weights_sha256="5" * 64)], frozen)
    assert item.ours == "Pretrained features"
    assert not any(item.ours for item in matches([stored(0.9)], frozen))


def test_every_condition_that_differs_or_is_unknown_is_named() -> None:
    (item,) = matches([stored(0.5, embedding_dim=64)], [ROW])
    assert item.differing == (
        "backbone BN-Inception (ours: conv4)",
        "weights ImageNet (ours: random)",
        "input resize 256, crop 227 (ours: images as they are)",
        "selection unknown (ours: fixed)",
        "training RMSprop (ours: adamw, batch 32, 100 steps)",
    )
    known = ROW.model_copy(update={"backbone": "ResNet-50", "selection": "validation"})
    same = stored(
        0.5,
        backbone="timm:resnet50.tv_in1k",
        weights="pretrained",
        weights_sha256="5" * 64,
        resize=256,
        crop=227,
        patience=3,
    )
    (item,) = matches([same], [known])
    assert item.differing == (
        "weights ImageNet (ours: pretrained, tv_in1k)",
        "dimension 64 (ours: 16)",
        "training RMSprop (ours: adamw, batch 32, at most 100 steps)",
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    results = write_results(tmp_path_factory.mktemp("results"), ("cub200",))
    return write_report(scan(results)[0], tmp_path_factory.mktemp("report"), title="x")


def test_the_page_keeps_them_in_a_table_of_their_own(report: Report) -> None:
    page = report.html.read_text(encoding="utf-8")
    before, section = page.split("<h3>Published numbers (not ranked with ours)</h3>")
    section = section.split("<h3>")[0]
    rows = [
        "|".join(cell.strip() for cell in re.findall(r">([^<>]+)<", row) if cell.strip())
        for row in re.findall(r"<tr>.*?</tr>", section, re.DOTALL)
    ]
    (line,) = [row for row in rows if row.startswith("Proxy NCA|Proxy-NCA|R@1|49.21|")]
    assert "No Fuss Distance Metric Learning using Proxies, ICCV 2017, Table 2: backbone" in line
    assert section.count("<details>") == 1
    assert "Hyp-ViT" in section
    for text in (before, (report.folder / "table.md").read_text(), report.tables[0].read_text()):
        assert "BN-Inception" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    names = [path.name for path in report.figures if "published" in path.name]
    assert names == [f"cub200-class-disjoint-published.{kind}" for kind in ("svg", "png")]


@pytest.fixture
def members() -> "pd.DataFrame":
    return trained(
        comparable_frame([stored(0.5), stored(0.6, 1), stored(0.4, method="Center + softmax")])
    )


def test_the_figure_has_every_row_with_a_year_and_ours(members: "pd.DataFrame") -> None:
    rows = select(published(), dataset="cub200")
    with matplotlib.rc_context(rc_params()):
        figure = published_figure(rows, members)
        assert figure is not None
        figure.draw_without_rendering()
    *theirs, ours = figure.axes[0].collections
    drawn = np.concatenate([np.asarray(dots.get_offsets()) for dots in theirs])
    expected = [
        (row.year, row.scores["recall@1"].value)
        for row in rows
        if row.year != "unknown" and row.loss != "none"
    ]
    assert sorted(drawn[:, 1]) == pytest.approx(sorted(score for _, score in expected))
    assert sorted(np.round(drawn[:, 0])) == sorted(year for year, _ in expected)
    assert np.asarray(ours.get_offsets()) == pytest.approx(np.array([[2026, 40], [2026, 55]]))
    backbones = sorted({row.backbone for row in rows if row.year != "unknown"})
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*backbones, "ours: conv4"]


def test_there_is_no_figure_without_a_year(members: "pd.DataFrame") -> None:
    with matplotlib.rc_context(rc_params()):
        assert published_figure([ROW.model_copy(update={"year": "unknown"})], members) is None
        assert published_figure([], members) is None
    score = Score(value=1, half=None, printed="1")
    assert published_figure([ROW.model_copy(update={"scores": {"nmi": score}})], members) is None
