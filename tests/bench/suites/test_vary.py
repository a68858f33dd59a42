"""A study of variance as a suite: its runs, and what it refuses by name."""

import re
from collections import Counter
from pathlib import Path

import pytest

from bench.spec import FIXED_SEED, SOURCES, RunSpec, joined
from bench.suites import SuiteError, load_suite
from tests.support.searches import write_stored_search

SUITE = """
title = "A study"
seeds = [1, 2, 3]
vary = ["batches", "weights"]
[budgets.digits]
embedding_dim = 8
batch_size = 24
steps = 12
evaluate_every = 4
learning_rate = 1e-3
weight_decay = 0
[methods.Triplet]
loss = "triplet"
"""


def test_each_source_varies_alone_and_all_together(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(SUITE)
    specs = load_suite(str(path)).specs
    found = [(spec.seed, spec.varies) for spec in specs]
    assert found[:3] == [(1, "weights+batches"), (1, "batches"), (1, "weights")]
    assert Counter(seed for seed, _ in found) == {1: 3, 2: 3, 3: 3}
    assert len({spec.spec_id for spec in specs}) == 9


def test_where_all_that_a_seed_decides_varies_the_runs_are_those_of_other_suites(
    tmp_path: Path,
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(SUITE.replace('"weights"]', '"weights", "augmentation"]'))
    study = load_suite(str(path))
    path.write_text(re.sub("vary = .*", "", SUITE))
    ids = {spec.spec_id for spec in study.specs}
    assert {spec.spec_id for spec in load_suite(str(path)).specs} < ids


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[1, 2, 3]", f"[{FIXED_SEED}, 1]", "seeds: 0 is the seed of every source that does not"),
        ("[1, 2, 3]", "[1]", "seeds: one does not show a spread (vary)"),
        ('"weights"]', '"batches"]', "vary: a source occurs more than once"),
        (', "weights"]', "]", "vary: batches alone has nothing to be compared with"),
        ('"weights"]', '"seeds"]', "vary.1: Input should be 'weights', 'batches'"),
        (
            '"weights"]\n[budgets.digits]',
            '"augmentation"]\n[budgets.digits]\naugmentation = "none"',
            "vary: augmentation, but budgets.digits has augmentation",
        ),
        (
            '"weights"]\n[budgets.digits]',
            '"split"]\n[budgets.digits]\nsplit = "official"',
            "vary: split, but the official protocol of budgets.digits fixes which images validate",
        ),
    ],
)
def test_what_cannot_be_studied_is_refused_by_name(
    before: str, after: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.toml"
    assert before in SUITE
    path.write_text(SUITE.replace(before, after))
    with pytest.raises(SuiteError, match=re.escape(message)):
        load_suite(str(path))


def test_the_seed_of_what_does_not_vary_is_not_that_of_a_search(tmp_path: Path) -> None:
    path = write_stored_search(tmp_path)
    text = path.read_text().replace("seeds = [0, 1]", 'seeds = [1, 2]\nvary = ["weights", "split"]')
    path.write_text(text)
    assert load_suite(str(path)).vary == ["weights", "split"]
    path.write_text(text.replace("seed = 1000", f"seed = {FIXED_SEED}"))
    with pytest.raises(SuiteError, match="seeds: 0 is also the seed of the search"):
        load_suite(str(path))


def test_the_bundled_study_varies_every_source() -> None:
    suite = load_suite("variance")
    assert tuple(suite.vary) == SOURCES
    assert len(suite.specs) == len(suite.seeds) * (1 + len(SOURCES)) * len(suite.methods)


@pytest.mark.parametrize("text", ["", "weights+", "weights+weights", "seeds", "Weights"])
def test_varies_is_made_of_known_sources(text: str) -> None:
    fields = load_suite("variance").specs[0].model_dump()
    with pytest.raises(ValueError, match="joined by"):
        RunSpec.model_validate(fields | {"varies": text})


def test_sources_have_one_order() -> None:
    fields = load_suite("variance").specs[0].model_dump()
    assert (
        RunSpec.model_validate(fields | {"varies": "batches+weights"}).varies == "weights+batches"
    )
    assert joined(["augmentation", "batches", "weights"]) is None
