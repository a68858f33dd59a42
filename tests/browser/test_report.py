"""The report in Chromium: a choice of methods is judged as Python judges it, tables are sorted,
nothing is loaded, and nothing is lost without its script or on a phone."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from bench.metrics import describe
from bench.reporting.findings import verdict_cell
from bench.reporting.groups import comparable_frame
from bench.reporting.page import write_report
from bench.reporting.rows import leading_methods
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.verdicts import RULE, Rule, table_verdicts
from bench.store.runs import Run, RunDir, load_run
from tests.support.fabricated import make_spec, write_pictures, write_run
from tests.support.quick_reports import few_draws, without_figures

pytestmark = pytest.mark.browser

MEANS = {"A <b> & é": 0.800, "B": 0.801, "C": 0.782, "D": 0.775, "E": 0.796}
SPREADS = {"A <b> & é": 0.0003, "B": 0.0003, "C": 0.012, "D": 0.006, "E": 0.012}
KEYS = ("recall@1", "map@r", "eer")
CHOOSE = """shown => {
  const section = document.querySelector("section:has(script.choices)");
  for (const label of section.querySelectorAll("fieldset label")) {
    const box = label.querySelector("input");
    box.checked = shown.includes(label.textContent.trim());
  }
  section.querySelector("fieldset").dispatchEvent(new Event("change"));
  const visible = table => [...table.querySelectorAll("tbody tr")].filter(row => !row.hidden);
  const name = row => row.querySelector("th").textContent.trim();
  const bold = [], verdicts = {}, rows = [];
  for (const table of section.querySelectorAll("table.means"))
    for (const row of visible(table)) {
      rows.push(name(row));
      [...table.tHead.rows[0].cells].forEach((heading, x) => {
        if (row.cells[x].querySelector("strong")) bold.push([heading.textContent, name(row)]);
      });
    }
  for (const cell of section.querySelectorAll("td.verdict"))
    if (!cell.parentElement.hidden) verdicts[name(cell.parentElement)] = cell.textContent;
  return {bold, verdicts, rows, level: section.querySelector(".level")?.textContent,
          cards: [...section.querySelectorAll("details.run")].filter(card => !card.hidden).length};
}"""


def make_runs(results: Path) -> list[Run]:
    """Five methods, one of them with fewer seeds, whose pairs get every verdict."""
    write_pictures(results, "digits")
    generator, runs = np.random.default_rng(13), []
    for method, mean in MEANS.items():
        for seed in range(7 if method == "D" else 10):
            spec = make_spec("digits", "Proxy-NCA", seed).model_copy(update={"method": method})
            run = load_run(RunDir(write_run(results, spec, gain=0.2)))
            score = mean + generator.normal(0, SPREADS[method])
            changed = {"recall@1": score, "map@r": score / 2, "eer": 1 - score}
            runs.append(Run(run.directory, {**run.record, "scores": {**run.scores, **changed}}))
    return runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return make_runs(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def html(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    with few_draws():
        return write_report(runs, tmp_path_factory.mktemp("report"), title="Five methods").html


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a file, without errors and without any other request."""
    wrong: list[str] = []
    contexts = []

    def visit(path: Path, **options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("request", lambda request: wrong.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        assert wrong == [f"request: {path.as_uri()}"]
        wrong.clear()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


def subsets(methods: list[str]) -> list[list[str]]:
    return [list(chosen) for n in range(len(methods) + 1) for chosen in combinations(methods, n)]


def expected(members: pd.DataFrame, rule: Rule) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """What the tables of these runs print in bold, and the words of their pairs."""
    best = leading_methods(members, KEYS, rule)
    bold = {(describe(key).heading, method) for key in KEYS for method in best[key]}
    scores = members.pivot(index="seed", columns="method", values="recall@1")
    words = {f"{v.first} minus {v.second}": verdict_cell(v) for v in table_verdicts(scores, rule)}
    return bold, words


def level(members: pd.DataFrame) -> str:
    """What a p must not exceed, as the table prints it."""
    scores = members.pivot(index="seed", columns="method", values="recall@1")
    return f"{table_verdicts(scores)[0].judged.level:.2g}"


def test_every_choice_of_methods_is_judged_as_python_judges_it(
    runs: list[Run], html: Path, opened: Callable[..., Page]
) -> None:
    page, table = opened(html), comparable_frame(runs)
    seen: dict[str, set[str]] = {}
    for chosen in subsets(list(MEANS)):
        bold, words = expected(table[table["method"].isin(chosen)], RULE)
        found = page.evaluate(CHOOSE, chosen)
        assert {tuple(item) for item in found["bold"] if item[0] in {"R@1", "MAP@R", "EER"}} == bold
        assert found["verdicts"] == words
        if words:  # A and B differ, but within the margin: their pair leaves more to the others
            assert found["level"] == level(table[table["method"].isin(chosen)])
        assert set(found["rows"]) - {"Untrained network"} == set(chosen)
        assert found["cards"] == table["method"].isin(chosen).sum()
        for pair, word in words.items():
            seen.setdefault(pair, set()).add(word.partition(":")[0])
    words_seen = set().union(*seen.values())
    assert words_seen >= {"better", "same", "undecided"}
    assert any({"better", "undecided"} <= words for words in seen.values())  # the choice matters
    assert page.get_by_role("status").text_content() == ""  # the last choice has all methods


def test_verdicts_of_added_seeds_stay_those_of_the_whole_table(
    runs: list[Run],
    opened: Callable[..., Page],
    tmp_path: Path,
) -> None:
    rule, table = Rule(looks=Looks(3, 12)), comparable_frame(runs)
    with without_figures():
        page = opened(write_report(runs, tmp_path, title="Looks", rule=rule).html)
    _, words = expected(table, rule)
    scores = table.pivot(index="seed", columns="method", values="recall@1")
    verdicts = table_verdicts(scores, rule)
    for chosen in subsets(list(MEANS)):
        found = page.evaluate(CHOOSE, chosen)
        kept = [v for v in verdicts if {v.first, v.second} <= set(chosen)]
        worse = {v.second for v in kept if v.word == "better"}
        assert found["verdicts"] == {
            pair: words[pair] for pair in words if set(pair.split(" minus ")) <= set(chosen)
        }
        bold = {method for heading, method in found["bold"] if heading == "R@1"}
        assert bold == (set(chosen) - worse if kept else set())


def test_a_heading_sorts_by_click_and_by_key(
    runs: list[Run], html: Path, opened: Callable[..., Page]
) -> None:
    means = comparable_frame(runs).groupby("method")["recall@1"].mean()
    page = opened(html)
    table = page.locator("table.means").first
    heading = table.locator("thead th", has_text="R@1")
    names = table.locator("tbody th")
    before = names.all_text_contents()
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    order = [*means.sort_values(ascending=False).index, "Untrained network"]
    assert [name.strip() for name in names.all_text_contents()] == order
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [name.strip() for name in names.all_text_contents()][:5] == order[:5][::-1]
    table.get_by_role("button", name="Method").press("Space")
    assert table.locator("[aria-sort]").count() == 1
    assert names.all_text_contents() == before


def test_words_with_numbers_are_sorted_by_their_values(
    html: Path, opened: Callable[..., Page]
) -> None:
    texts = ["0.236", "1,234", "0.0652", "980", "0", "scale 10", "scale 0.5", "scale 2", "1e-3"]
    found = opened(html).evaluate(
        "texts => texts.toSorted((a, b) => compare(a, b, false, 1))", texts
    )
    assert found == [
        "0",
        "1e-3",
        "0.0652",
        "0.236",
        "980",
        "1,234",
        "scale 0.5",
        "scale 2",
        "scale 10",
    ]


def beside_sentences_and_figures(page: Page) -> set[str]:
    """What the page writes before what a choice does not change."""
    texts = page.evaluate(
        """() => [...document.querySelectorAll(".finding, figure")].map(
          element => getComputedStyle(element, "::before").content)"""
    )
    assert len(texts) > 2
    return set(texts)


def test_a_choice_is_made_by_hand_and_says_what_changed(
    html: Path, opened: Callable[..., Page]
) -> None:
    page = opened(html)
    page.get_by_label("C", exact=True).uncheck()
    assert "4 of 5 methods." in str(page.get_by_role("status").text_content())
    table = page.locator("table.means").first
    assert table.get_by_role("rowheader", name="C", exact=True).count() == 0
    assert beside_sentences_and_figures(page) == {'"Of all methods, not of those chosen:"'}
    page.get_by_label("C", exact=True).check()
    assert beside_sentences_and_figures(page) == {"none"}
    assert table.get_by_role("rowheader", name="C", exact=True).count() == 1


def test_without_its_script_the_page_is_complete(html: Path, opened: Callable[..., Page]) -> None:
    page = opened(html, java_script_enabled=False)
    assert page.locator("fieldset, th button").count() == 0
    assert page.locator("table.means").first.locator("tbody tr").count() == len(MEANS) + 1
    assert page.locator("table.means strong").count() > 0
    assert page.locator("td.verdict").count() == 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_page_without_scrolling_it_sideways(
    html: Path, opened: Callable[..., Page], scheme: str
) -> None:
    page = opened(html, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 22)"
    assert dark == (scheme == "dark")
