"""No number in README or docs without a source.

Every share, difference and mean ± half-width that is written by hand is listed below with what it
comes from: a definition, a measurement that is described beside it, the committed report, which
must print it, or a published row, given as "data set, method", which must have it. Those of
docs/findings.md are means and paired differences of the runs in docs/findings/. docs/losses.md is
made from docstrings, and the README's block of results from stored runs: other tests compare those.
"""

import re
from html import unescape
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.published import published
from bench.reporting.documents.readme import BEGIN, END

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "results/reference/reports/default/report.html"
VALUE = r"\d+(?:[.,]\d+)?"
# Shares and points with or without ±, means with ±, scores by name, and ratios.
NUMBER = re.compile(
    rf"{VALUE} ± {VALUE}|{VALUE} ?%|{VALUE}(?= (?:percent|points?|times)\b)"
    rf"|(?<=R@1 ){VALUE}|(?<=MAP@R ){VALUE}|(?<=NMI ){VALUE}|{VALUE}x\b(?!\d)",
)
DEFINITION, REPORTED = "definition", "committed report"
MEASURED = "measurement"  # how it was made is said beside it
SOURCES = {
    ("README.md", "0.6 ± 1.0"): REPORTED,
    ("README.md", "12.1 ± 1.6"): REPORTED,
    ("README.md", "0.56"): REPORTED,
    ("README.md", "0.41"): REPORTED,
    ("README.md", "21.5"): REPORTED,
    ("README.md", "47.6"): REPORTED,
    ("README.md", "95 %"): DEFINITION,  # of the intervals
    ("README.md", "0.5"): DEFINITION,  # points of the margin of "same"
    ("README.md", "5 %"): DEFINITION,  # level of the verdicts
    ("docs/architecture.md", "0.5"): DEFINITION,  # points of the margin of "same"
    ("docs/architecture.md", "5 %"): DEFINITION,  # level of the verdicts
    ("docs/reproducibility.md", "2"): DEFINITION,  # points, bounds of `accept`
    ("docs/reproducibility.md", "15"): DEFINITION,
    ("docs/reproducibility.md", "50"): DEFINITION,
    ("docs/reproducibility.md", "2.3"): MEASURED,  # points, with and without the pins
    ("docs/reproducibility.md", "2.5"): MEASURED,
    ("docs/reproducibility.md", "1.7"): MEASURED,
}


def by_hand(path: Path) -> str:
    """The text of a page without what is made, and without code."""
    text = path.read_text(encoding="utf-8")
    if BEGIN in text:
        before, rest = text.split(BEGIN)
        text = before + rest.split(END)[1]
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def numbers(text: str) -> set[str]:
    """The numbers of a text that need a source."""
    return {found[0] for found in NUMBER.finditer(" ".join(text.split()))}


def test_every_number_is_listed_with_its_source() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {
        (str(page.relative_to(ROOT)), number)
        for page in pages
        if page.name not in ("losses.md", "findings.md")
        for number in numbers(by_hand(page))
    }
    assert found == SOURCES.keys(), "list a number with its source here, or remove it from the list"


def confirmed(number: str, source: str) -> bool:
    """Whether the source has the number; definitions and measurements are not looked up."""
    if source == REPORTED:
        cell = rf">{re.escape(number)}(<| \()"  # or the start of a cell, before its interval
        return bool(re.search(cell, unescape(REPORT.read_text(encoding="utf-8"))))
    if source in (DEFINITION, MEASURED):
        return True
    dataset, method = source.split(", ", 1)
    rows = [row for row in published() if (row.dataset, row.method) == (dataset, method)]
    return any(score.printed == number for row in rows for score in row.scores.values())


@pytest.mark.parametrize(("page", "number"), SOURCES)
def test_its_source_has_it(page: str, number: str) -> None:
    assert confirmed(number, SOURCES[page, number])


def test_a_number_that_its_source_lacks_is_found() -> None:
    assert confirmed("73.22", "cars196, Proxy-NCA")
    assert not confirmed("73.22", "cub200, Proxy-NCA")
    assert not confirmed("73.23", "cars196, Proxy-NCA")
    assert not confirmed("1.3 ± 2.4", REPORTED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("R@1 rises to 74.1 %.", {"74.1 %"}),
        ("it gains 12.5 points", {"12.5"}),
        ("R@1 83.5 ± 0.8, MAP@R\n42.1", {"83.5 ± 0.8", "42.1"}),
        ("twice as fast: 3 times, 2.5x", {"3", "2.5x"}),
        ("28x28 images of 200 classes, 5,924 test images, version 2.9", set()),
    ],
)
def test_numbers_that_need_a_source(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def printed(scores: pd.Series) -> str:
    """Mean ± half-width of the 95 % interval in percent, as the page prints it; of one run its
    score."""
    if len(scores) == 1:
        return f"{100 * scores.iloc[0]:.1f}"
    half = stats.t.ppf(0.975, len(scores) - 1) * scores.std() / len(scores) ** 0.5
    return f"{abs(100 * scores.mean()):.1f} ± {100 * half:.1f}"


def section(heading: str) -> str:
    """The text of docs/findings.md below a heading, up to the next one of its kind."""
    return by_hand(ROOT / "docs/findings.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_finding_has_a_test() -> None:
    headings = re.findall(r"^## (.*)$", by_hand(ROOT / "docs/findings.md"), re.MULTILINE)
    assert headings == ["Grocery Store, fine-tuned", "Omniglot, from scratch, tuned"]


def test_the_findings_on_groceries_follow_from_their_runs() -> None:
    runs = pd.read_csv(ROOT / "docs/findings/grocery_store.csv").fillna({"head_init": "random"})
    case = ["split", "head_init", "class_vectors_init"]
    scores = ["recall@1", "map@r", "nmi", "accuracy_neighbor", "accuracy_mean", "accuracy_proxy"]
    made = {"95 %"}
    for score in scores:
        groups = runs.groupby([*case, "method"])[score]
        made |= {printed(group) for _, group in groups}
        for within, across in ((case, ["method"]), (["split", "method"], case[1:])):
            for _, group in runs[runs["steps"] > 0].groupby(within):
                table = group.pivot(index="seed", columns=across, values=score)
                made |= {printed(table[a] - table[b]) for a, b in combinations(table, 2)}
    found = numbers(section("Grocery Store, fine-tuned"))
    assert len(found) > 40
    assert found <= made


@pytest.fixture(scope="module")
def omniglot() -> dict[str, pd.DataFrame]:
    """Runs with chosen values, and trials, of which number 0 has the suite's own values."""
    folder = ROOT / "docs/findings"
    return {name: pd.read_csv(folder / f"omniglot_{name}.csv") for name in ("tuned", "trials")}


def test_the_scores_on_omniglot_follow_from_their_runs(omniglot: dict[str, pd.DataFrame]) -> None:
    runs, trials = omniglot.values()
    scores = ["recall@1", "map@r", "nmi"]
    chosen = trials[trials["chosen"]].set_index("method")["trial"]
    lines, made = [], {"95 %"}
    for method, own in runs.groupby("method"):
        cells = [printed(own[score]) for score in scores]
        number = chosen[str(method)]
        values = f"trial {number}" if number else "the suite's own values"
        lines.append(f"| {method}, {values} | {' | '.join(cells)} |")
        made |= set(cells)
    start = [printed(runs.drop_duplicates("seed")[f"untrained.{score}"]) for score in scores]
    lines.append(f"| Untrained network | {' | '.join(start)} |")
    for score in scores:
        table = runs.pivot(index="seed", columns="method", values=score)
        made |= {printed(table[a] - table[b]) for a, b in combinations(table, 2)}
    random = trials[trials["trial"] > 0].groupby("method")["map@r"].mean()
    made |= {f"{100 * mean:.1f} %" for mean in random} | set(start)
    points = 100 * trials.set_index(["method", "trial"])[["validation_map@r", "recall@1", "map@r"]]
    for name, number in chosen.items():
        pair = points.loc[[(name, 0), (name, number)]]
        lines += [f" | {' | '.join(map('{:.1f}'.format, row))} |" for row in pair.to_numpy()]
        made |= set((pair.iloc[1] - pair.iloc[0]).abs().map("{:.1f}".format))
        others = points.loc[list(chosen.items())] - pair.iloc[1]
        made |= set(others.abs().to_numpy().ravel().round(1).astype(str))
    text = section("Omniglot, from scratch, tuned")
    assert [line for line in lines if line not in text] == []
    assert numbers(text) - made == {"36.1 %", "0.44", "0.43", "0.99"}  # the costs, below


def test_the_costs_on_omniglot_follow_from_their_runs(omniglot: dict[str, pd.DataFrame]) -> None:
    runs, trials = omniglot.values()
    ratios = {}
    for cost in ("steps_to_target", "seconds_to_target"):
        table = np.log(runs.pivot(index="seed", columns="method", values=cost))
        found = table["Triplet, semi-hard"] - table["Proxy-NCA"]
        half = stats.t.ppf(0.975, 2) * found.std() / 3**0.5
        middle, *ends = np.exp([found.mean(), found.mean() - half, found.mean() + half])
        ratios[cost] = f"{middle:.2f}", f"{ends[0]:.2f} to {ends[1]:.2f}"
    paid = trials.groupby("method")["steps"].sum()
    total = paid + runs.groupby("method")["steps_to_target"].mean()
    (steps, within), (seconds, inside) = ratios.values()
    text = " ".join(section("Omniglot, from scratch, tuned").split())
    assert f"MAP@R {100 * runs['target'].iloc[0]:.1f} % on validation" in text
    assert f"is {steps} times (95 % interval {within}) as fast as the triplet loss in steps" in text
    assert f" and {seconds} times ({inside}) in seconds" in text
    ratio = total["Triplet, semi-hard"] / total["Proxy-NCA"]
    assert f"it is {ratio:.2f} times as fast in steps" in text
    assert set(paid) == {8500}
