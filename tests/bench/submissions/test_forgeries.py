"""What `accept` makes of planted falsifications and of honest submissions.

The fast part plants each way of forging once. The slow part measures 300 forgeries and 100 honest
submissions, and prints how many a check of form alone would catch.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cli.submissions.accept import Options, examine
from bench.submissions.acceptance import Acceptance
from tests.support.forgeries import FORGERIES, KINDS, Forgery, forged
from tests.support.submitted import Choice, Pool

EVERY_RUN = 1000
FORM = ("files", "digests", "submission.json", "suite")  # what a check of form looks at


def examined(folder: Path, train: int = EVERY_RUN) -> Acceptance:
    return examine(folder, Options(folder.parent / "community", None, 1, "cpu", train, draw=0))


def budgets(forgery: Forgery) -> tuple[str, ...]:
    return ("gallery",) if forgery.gallery else ("official",)


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.forge.__name__)
def test_each_way_of_forging_is_named_by_one_check(
    forgery: Forgery, pool: Pool, tmp_path: Path
) -> None:
    choice = Choice(budgets(forgery), methods=["NCA"])
    name = forged(tmp_path / "sent", choice, forgery, pool, np.random.default_rng(1))
    found = examined(tmp_path / "sent")
    assert found.verdict == "refused"
    assert found.findings[0].check == forgery.found_by, list(map(str, found.findings))
    assert any(name in str(finding) for finding in found.findings)
    if forgery.found_by == "training":  # and the lot has to fall on it
        assert examined(tmp_path / "sent", train=0).verdict != "refused"


def test_an_honest_submission_is_accepted(pool: Pool, tmp_path: Path) -> None:
    pool.submission(tmp_path / "sent", Choice(methods=["NCA"]))
    found = examined(tmp_path / "sent")
    assert (found.verdict, found.findings, found.runs) == ("accepted", [], 2)


def drawn(random: np.random.Generator, least_seeds: int, budget: tuple[str, ...]) -> Choice:
    """A suite of some methods and seeds."""
    methods = random.permutation(["NCA", "Triplet", "Center"])[: random.integers(1, 4)]
    seeds = random.permutation(4)[: random.integers(least_seeds, 5)]
    return Choice(budget, sorted(map(str, methods)), sorted(map(int, seeds)))


@pytest.mark.slow
def test_300_forgeries_are_named_and_100_honest_submissions_accepted(
    pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for number in range(300):
        kind = KINDS[number % len(KINDS)]
        ways = [forgery for forgery in FORGERIES if forgery.kind == kind]
        forgery = ways[number // len(KINDS) % len(ways)]
        random = np.random.default_rng([18, number])
        folder = tmp_path / f"forged-{number}"
        choice = drawn(random, 2, budgets(forgery))
        name = forged(folder, choice, forgery, pool, random)
        found = examined(folder)
        named = any(name in str(finding) for finding in found.findings)
        listed = any(name in difference for difference in found.differences)
        check = found.findings[0].check if named else "listed" if listed else "none"
        rows.append((kind, named or listed, check, 1 / found.runs if found.runs else None))
    refused = 0
    for number in range(100):
        budget = (("official",), ("gallery",), ("official", "gallery"))[number % 3]
        folder = tmp_path / f"honest-{number}"
        pool.submission(folder, drawn(np.random.default_rng([81, number]), 1, budget))
        refused += examined(folder).verdict != "accepted"
    table = pd.DataFrame(rows, columns=["kind", "named", "check", "chance"])
    with capsys.disabled():
        print(f"\n{summary(table).to_string()}\nhonest submissions refused: {refused} of 100")
    assert table["named"].all()
    assert refused == 0


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """By kind: planted, named, found by form alone, before any training, and by training alone,
    with the mean chance that the lot of one run falls on the forged one. Listed: named among the
    differences that another processor explains, with their size, and not refused."""
    trained = table["check"].isin(["training", "listed"])
    return (
        table.assign(
            form=table["check"].isin(FORM),
            before_training=table["named"] & ~trained,
            by_training=table["named"] & trained,
            listed=table["check"] == "listed",
            chance=table["chance"].where(trained),
        )
        .groupby("kind", sort=False)
        .agg(
            planted=("kind", "size"),
            named=("named", "sum"),
            form_alone=("form", "sum"),
            before_training=("before_training", "sum"),
            by_training_alone=("by_training", "sum"),
            listed=("listed", "sum"),
            chance_by_lot=("chance", "mean"),
        )
    )
