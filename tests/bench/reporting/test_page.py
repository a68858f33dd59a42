"""The report as files: complete, self-contained, escaped, equal on every run; figures that hold."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from bench.reporting.figures.drawing import INK, spread
from bench.reporting.figures.strokes import STROKES, assign
from bench.reporting.groups import group_runs
from bench.reporting.page import Report, write_report
from bench.store.runs import Run, scan
from tests.support.fabricated import METHODS, make_spec, write_results, write_run

TITLE = "A <script>alert(1)</script> & 'title'"
PROBLEM = "glyphs-x: ValueError: <b>broken</b>"
NASTY = "Loss <img src=x> $x_$ & 50 %"
VOID = {"meta", "br", "link", "img", "hr", "input"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = write_results(tmp_path_factory.mktemp("results"))
    for seed in range(2):
        spec = make_spec("glyphs", "Proxy-NCA", seed)
        changes = {"method": NASTY, "loss": "new_loss", "steps": 80}
        write_run(results, spec.model_copy(update=changes), gain=0.4)
    return scan(results)[0]


@pytest.fixture(scope="module")
def report(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Report:
    directory = tmp_path_factory.mktemp("report")
    return write_report(runs, directory, title=TITLE, problems=[PROBLEM])


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report.html.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Checks nesting; collects ids, headings and the tables' captions and header cells."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.levels: list[int] = []
        self.counts: dict[str, int] = {}
        self.unscoped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.ids += [str(fields["id"])] if "id" in fields else []
        self.levels += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.unscoped += tag == "th" and "scope" not in fields
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for key, value in attrs if key == "id"]


def test_everything_is_written_and_nothing_else(report: Report) -> None:
    written = {path for path in report.html.parent.rglob("*") if path.is_file()}
    assert written == {report.html, report.table_csv, report.table_md, *report.figures}
    assert len(report.figures) == 2 * 2 * 2


def test_written_again_every_byte_is_the_same(
    runs: list[Run], report: Report, tmp_path: Path
) -> None:
    again = write_report(runs[::-1], tmp_path, title=TITLE, problems=[PROBLEM])
    for first, second in zip(
        (report.html, report.table_csv, report.table_md, *report.figures),
        (again.html, again.table_csv, again.table_md, *again.figures),
        strict=True,
    ):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_page_is_well_formed_with_headings_in_order_and_tables_described(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(outline.levels))
    assert outline.counts["caption"] == outline.counts["table"] > 10
    assert outline.unscoped == 0
    assert outline.counts["svg"] == 4


def test_page_needs_no_network_and_no_script(page: str) -> None:
    assert "<script" not in page
    assert not re.search(r"""(src|@import|url\()\s*=?\s*["']?https?:""", page)
    links = re.findall(r'href="([^"]*)"', page)
    assert links
    assert all(link.startswith(("#", "figures/", "table.")) for link in links)
    assert "lang=" in page[:60]
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_what_users_wrote_is_escaped(page: str) -> None:
    assert "<title>A &lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;title&#39;</title>" in page
    assert "glyphs-x: ValueError: &lt;b&gt;broken&lt;/b&gt;" in page
    assert "Loss &lt;img src=x&gt; $x_$ &amp; 50 %" in page
    assert "<img" not in page


def test_problems_stand_before_results(page: str) -> None:
    assert page.index("Problems: 1") < page.index("digits, class-disjoint split</h2>")


def test_page_shows_what_the_table_holds(page: str, report: Report) -> None:
    for line in report.table_md.read_text(encoding="utf-8").splitlines():
        if line.startswith("| Center"):
            for cell in line.split("|")[2:-2]:
                assert cell.strip(" *") in page


def test_page_says_what_is_missing_for_certainty_and_for_fairness(page: str) -> None:
    assert "no sign-flip test of paired differences can reach p &lt; 0.05" in page
    assert "sign-flip p cannot fall below 0.25" in page
    assert "Methods differ in\nsteps" in page
    assert "half-width of the t-based 95 % confidence interval" in page


def test_a_run_without_its_curve_is_a_problem_and_not_the_end(
    runs: list[Run], tmp_path: Path
) -> None:
    lost = Run(tmp_path / "lost", runs[0].record)
    page = write_report([lost, *runs[1:]], tmp_path / "out", title="x").html.read_text()
    assert "Problems: 1" in page
    assert "lost is left out of the convergence numbers" in page


def test_one_run_alone_makes_a_report_without_comparison(runs: list[Run], tmp_path: Path) -> None:
    page = write_report(runs[:1], tmp_path, title="x").html.read_text()
    assert "paired by seed</h3>" not in page
    assert "One seed says nothing about chance." in page


def test_nothing_is_written_of_no_run_or_of_runs_that_do_not_agree(
    runs: list[Run], tmp_path: Path
) -> None:
    other = Run(tmp_path / "other", {**runs[0].record, "data_checksum": "0" * 64})
    with pytest.raises(ValueError, match="there is no finished run to report"):
        write_report([], tmp_path / "out", title="x")
    with pytest.raises(ValueError, match="data checksum"):
        write_report([*runs, other], tmp_path / "out", title="x")
    assert not (tmp_path / "out").exists()


def test_figures_follow_the_page_and_name_every_method(report: Report) -> None:
    for path in report.figures:
        if path.suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            tree = ElementTree.fromstring(text)
            words = " ".join("".join(tree.itertext()).split())
            assert INK not in text
            assert "currentColor" in text
            assert all(method in words for method in METHODS)
            assert "95 % confidence interval" in words
        else:
            with Image.open(path) as image:
                assert image.width >= 1500
                assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_loss_has_its_colour_everywhere_and_no_two_methods_look_alike(runs: list[Run]) -> None:
    groups = group_runs(runs)
    twins = [replace(group, method=f"{group.method} (x {x})") for group in groups for x in (1, 2)]
    strokes = assign([*groups, *twins[:6]])
    assert strokes["Proxy-NCA"] == STROKES["proxy_nca"]
    assert strokes["Triplet, semi-hard"].colour == STROKES["triplet"].colour
    assert strokes["Proxy-NCA (x 1)"].colour == STROKES["proxy_nca"].colour
    assert len({(stroke.dashes, stroke.marker) for stroke in strokes.values()}) == len(strokes)


def test_labels_are_pushed_apart_and_stay_inside() -> None:
    assert spread([1.0, 5.0, 3.0], [1, 1, 1], low=0, high=6) == [1.0, 5.0, 3.0]
    assert spread([3.0, 3.2], [1, 1], low=0, high=6) == pytest.approx([2.6, 3.6])
    places = spread([5.9, 5.8, 5.7, 0.1], [1, 2, 1, 1], low=0, high=6)
    assert places == pytest.approx([5.5, 4.0, 2.5, 0.5])
    assert spread([1.0, 1.0, 1.0], [1, 1, 1], low=0, high=2) == pytest.approx([0.5, 1.5, 2.5])
