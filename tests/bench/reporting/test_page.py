"""The report as files: complete, self-contained, escaped, equal on every run."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

import bench.reporting.page as page_module
from bench.metrics import METRICS
from bench.reporting.page import Report, write_report
from bench.spec import NO_LOSS
from bench.store.runs import Run, scan
from tests.support.fabricated import make_spec, write_results, write_run
from tests.support.quick_reports import without_figures

pytestmark = pytest.mark.usefixtures("few_draws")

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


def test_written_again_in_another_order_every_file_has_the_same_bytes(
    runs: list[Run], report: Report, tmp_path: Path
) -> None:
    again = write_report(runs[::-1], tmp_path, title=TITLE, problems=[PROBLEM])
    files = [
        (*(made.html, made.folder / "table.md", *made.tables, *made.figures),)
        for made in (report, again)
    ]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*files[1]}
    assert len(report.figures) == 2 * 3 * 2 + 2


def test_page_is_well_formed_with_headings_in_order_and_tables_described(
    page: str, report: Report, runs: list[Run]
) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(outline.levels))
    assert outline.counts["caption"] == outline.counts["table"] > 10
    assert outline.unscoped == 0
    assert outline.counts["svg"] == len(report.figures) / 2 + len(runs)  # and a curve on each card


def test_page_needs_no_network_and_runs_only_its_own_script(page: str) -> None:
    (script,) = re.findall("<script>(.*?)</script>", page, flags=re.DOTALL)
    own = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{own}'" in page
    held = re.findall('<script type="application/json" class="choices">(.*?)</script>', page)
    assert page.count("<script") == 1 + len(held) == 3
    assert json.loads(held[1])["methods"][1] == NASTY
    assert not re.search(r"""(src|@import|url\()\s*=?\s*["']?https?:""", page)
    links = re.findall(r'href="([^"]*)"', page)
    assert links
    files = ("table.", "uncertainty.", "costs.", "profile.")
    assert all(link.startswith(("#", "figures/", *files)) for link in links)
    assert "lang=" in page[:60]
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_text_from_users_is_escaped_and_problems_come_first(page: str) -> None:
    assert "<title>A &lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;title&#39;</title>" in page
    assert "glyphs-x: ValueError: &lt;b&gt;broken&lt;/b&gt;" in page
    assert "Loss &lt;img src=x&gt; $x_$ &amp; 50 %" in page
    assert "<img" not in page
    assert page.index("Problems: ") < page.index("digits, class-disjoint split</h2>")


def test_page_shows_every_score_row_of_the_markdown_table(page: str, report: Report) -> None:
    rows = {tuple(re.findall(r"<t[dh][^>]*>(?:<strong>)?([^<]*)", line)) for line in trs(page)}
    lines = [
        line.replace("*", "").strip("| ").split(" | ")
        for line in (report.folder / "table.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(("| Center", "| Proxy", "| Triplet", "| Untrained"))
    ]
    assert len(lines) == 2 * 3 * 4  # data sets, families, methods
    for cells in lines:
        assert tuple(cells) in rows


def trs(page: str) -> list[str]:
    return [row.replace("\n", "") for row in re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL)]


def test_page_defines_the_scores_that_it_shows_and_no_others(page: str) -> None:
    text = " ".join(page.split())
    assert f"<dt>MAP@R</dt><dd>{METRICS['map@r'].definition}</dd>" in text
    assert "<dt>R@1, R@2, R@4, R@8</dt>" in text
    assert "EER" not in text


def test_page_names_what_limits_certainty_and_fairness(page: str) -> None:
    assert "cannot fall below p = 0.25 with 3 seeds" in page
    assert "which with 2\nseeds cannot fall below 0.5" in page
    assert "Unequal budgets: methods differ in steps, so differences" in page
    assert "half-width of the t-based 95 % confidence interval" in page


def test_page_has_budget_hyper_parameters_and_origin_of_every_run(
    page: str, runs: list[Run]
) -> None:
    rows = [re.sub(r"<[^>]*>", "|", row) for row in trs(page)]
    assert any("|steps|" in row and "100 (Center + softmax, Proxy-NCA" in row for row in rows)
    for run in runs:
        assert sum(run.record["spec_id"] in row for row in rows) == 1
    assert "Train 800 images of 80 classes; validation 200 images of 20 classes" in page
    assert "one kind of machine: A made-up CPU, cpu, 1 thread." in page
    assert "numpy 2.4.6, proxy-bench 0.1.0, torch 2.15.0" in page


def test_every_run_has_a_card_with_its_specification_and_cost(page: str, runs: list[Run]) -> None:
    cards = re.findall(r'<details class="run".*?</details>', page, flags=re.DOTALL)
    texts = {card: " ".join(re.sub("<[^>]*>", " ", card).split()) for card in cards}
    assert len(cards) == len(runs)
    for run in runs:
        (text,) = [text for text in texts.values() if f"proxy-bench show {run.name} " in text]
        assert f"seed {run.spec['seed']}: R@1 {100 * run.scores['recall@1']:.1f}," in text
        assert f"steps {run.spec['steps']}, weight decay 0.0001" in text
        assert f"{run.record['cost']['images']:,} images" in text
        assert f"in {len(run.curve)} validations" in text
    assert max(map(len, cards)) < 2000


def test_a_run_without_its_curve_is_a_problem_and_not_the_end(
    runs: list[Run], tmp_path: Path
) -> None:
    lost = Run(tmp_path / "lost", runs[0].record)
    with without_figures():
        page = write_report([lost, *runs[1:]], tmp_path / "out", title="x").html.read_text()
    assert "lost is left out of the convergence numbers" in page
    assert "there is no interval over test classes" in page


def test_a_data_set_without_any_curve_has_a_report(runs: list[Run], tmp_path: Path) -> None:
    """As if no run had been validated four times."""
    lost = [Run(tmp_path / run.name, run.record) for run in runs if run.spec["dataset"] == "digits"]
    report = write_report(lost, tmp_path / "out", title="x")  # with its figures
    left_out = [text for text in report.problems if "left out of the convergence" in text]
    assert len(left_out) == sum(run.spec["loss"] != NO_LOSS for run in lost)
    assert {row.dataset for row in report.rows} == {"digits"}


def test_page_compares_across_data_sets_and_says_what_that_cannot_prove(
    page: str, report: Report
) -> None:
    text = " ".join(page.split())
    assert '<h2 id="across">Across data sets</h2>' in text
    assert "cannot fall below p = 0.5 with 2 data sets" in text
    assert report.findings[-1].startswith("Across data sets, ")
    table = text.split("Methods across data sets")[1].split("</table>")[0]
    assert table.count('<th scope="row">') == 3  # the fourth is on one of them only


def test_page_has_the_profile_of_methods_that_all_data_sets_have(page: str) -> None:
    text = " ".join(page.split())
    profile = text.split('<h2 id="profile">')[1].split("</section>")[0]
    assert (
        "methods that all with targets have (digits, class-disjoint; glyphs, class-disjoint)"
        in profile
    )
    assert "too narrow with few: it covers about 76 % with 3 seeds" in profile
    assert profile.count('<th scope="row">') == 2 * 2 * 3  # scores, axes, common methods


def test_one_run_alone_makes_a_report_without_comparison(runs: list[Run], tmp_path: Path) -> None:
    with without_figures():
        page = write_report(runs[:1], tmp_path, title="x").html.read_text()
    assert "paired by seed</h3>" not in page
    assert "One seed does not show how much is due to chance." in page


def test_nothing_of_an_earlier_report_is_left_that_this_one_does_not_have(
    runs: list[Run], tmp_path: Path
) -> None:
    former = [tmp_path / "figures" / f"glyphs-official-roc.{kind}" for kind in ("svg", "png")]
    former.append(tmp_path / "variance.csv")
    note = tmp_path / "figures" / "note.txt"
    (tmp_path / "figures").mkdir()
    for path in (*former, note):
        path.write_text("x")
    with without_figures():
        write_report(runs[:1], tmp_path, title="x")
    assert not any(path.exists() for path in former)
    assert note.exists()


def test_nothing_is_written_of_no_run_or_of_runs_that_do_not_agree(
    runs: list[Run], tmp_path: Path
) -> None:
    other = Run(tmp_path / "other", {**runs[0].record, "data_checksum": "0" * 64})
    with pytest.raises(ValueError, match="there is no finished run to report"):
        write_report([], tmp_path / "out", title="x")
    with pytest.raises(ValueError, match="data checksum"):
        write_report([*runs, other], tmp_path / "out", title="x")
    assert not (tmp_path / "out").exists()


def test_a_report_that_fails_leaves_the_earlier_one_whole(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    write_report(runs[:3], tmp_path / "report", title=TITLE)
    before = state()

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_module, "render", fail)  # all other files are written then
    with pytest.raises(OSError, match="No space"):
        write_report(runs, tmp_path / "report", title=TITLE)
    assert state() == before


def test_data_sets_with_one_slug_have_places_and_figures_of_their_own(
    runs: list[Run], tmp_path: Path
) -> None:
    records = [
        Run(run.directory, {**run.record, "spec": {**run.spec, "dataset": dataset}})
        for run, dataset in zip(runs[:2], ("folder:鳥", "folder:花"), strict=True)
    ]
    report = write_report(records, tmp_path, title=TITLE)
    outline = Outline()
    outline.feed(report.html.read_text(encoding="utf-8"))
    assert len(outline.ids) == len(set(outline.ids))
    assert len(report.figures) == len(set(report.figures)) > 0
    assert {path.name for path in report.figures} == {
        path.name for path in (tmp_path / "figures").iterdir()
    }
