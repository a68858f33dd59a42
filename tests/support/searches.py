"""A search of two methods on made-up trials: random networks are never trained."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.spec import RunSpec
from bench.store.runs import RunDir, save_run
from bench.suites import load_suite
from bench.tuning.chosen_suite import suite_text
from bench.tuning.outcomes import Outcome, read_outcomes, write_test
from bench.tuning.search import Data, Search, declare, read_search, write_search
from tests.support.fabricated import FINGERPRINT, make_record, seal

DATA = Data(fingerprint=FINGERPRINT, checksum="c" * 64)
SUITE = """
title = "Two methods"
seeds = [0, 1]

[budgets.digits]
embedding_dim = 8
batch_size = 24
steps = 12
evaluate_every = 4
learning_rate = 1e-3
weight_decay = 1e-4

[methods."Proxy-NCA"]
loss = "proxy_nca"
loss_learning_rate = 0.1

[methods.Triplet]
loss = "triplet"
"""
Score = Callable[[int, int], float | None]  # of (method, trial); None diverges


def some_score(method: int, trial: int) -> float | None:
    """Different for every trial, and none for the third one of the second method."""
    return None if (method, trial) == (1, 3) else 0.2 + 0.1 * method + (7 * trial + 3) % 11 / 20


def write_suite(folder: Path, text: str = SUITE) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def make_search(folder: Path, trials: int = 5, seed: int = 1000) -> tuple[Search, list[RunSpec]]:
    """The search of `SUITE`, and the specifications of its runs, trial by trial."""
    pytest.importorskip("optuna", reason="Optuna is not installed")
    learns = {"proxy_nca": True, "triplet": False}
    suite = load_suite(write_suite(folder))
    return declare(suite, seed=seed, trials=trials, learns=learns, data={"digits": DATA})


def write_stored_search(
    results: Path, trials: int = 5, score: Score = some_score, *, tested: bool = True
) -> Path:
    """Store a search with all of its trials, and write the chosen suite; returns its path."""
    results.mkdir(parents=True, exist_ok=True)
    search, specs = make_search(results, trials)
    folder = results / "tuning" / "mine"
    write_search(folder, search)
    for number, spec in enumerate(specs):
        trial, method = divmod(number, len(search.methods))
        write_trial(folder, spec, score(method, trial))
    outcomes, problems = read_outcomes(folder, search)
    assert not problems
    for outcome in outcomes if tested else []:
        for trial_of in outcome.all:
            if not trial_of.diverged:
                write_test(trial_of.run, {"map@r": 0.8 * trial_of.score, "recall@1": 0.9})
    path = folder.with_suffix(".toml")
    path.write_text(suite_text(load_suite(write_suite(results)), search, outcomes))
    return path


def outcomes_of(results: Path) -> tuple[list[Outcome], list[str]]:
    """The trials of a search that `write_stored_search` stored, and what is wrong with them."""
    folder = results / "tuning" / "mine"
    search = read_search(folder)
    assert search
    return read_outcomes(folder, search)


def lose_gradients(results: Path, method: str, trials: Sequence[int]) -> None:
    """Make trials of a method, by their numbers, those of gradients that were 0 at every step."""
    for outcome in outcomes_of(results)[0]:
        for trial in outcome.all:
            if outcome.searched.method == method and trial.number in trials:
                seal(trial.run.directory, trained=False)
                (trial.run.directory / "test.json").unlink(missing_ok=True)  # of the former record


def write_trial(folder: Path, spec: RunSpec, score: float | None) -> None:
    """Store a trial whose validations end at a score, or which diverged after the first."""
    files = RunDir.of(folder, spec)
    files.path.mkdir(parents=True)
    steps = range(0, spec.steps + 1, spec.evaluate_every) if score is not None else [0]
    points = [
        {
            "step": step,
            "epoch": 0.0,
            "images": step * spec.batch_size,
            "seconds": float(step),
            "loss": 1.0 if step else None,
            "recall@1": 0.5,
            "map@r": float(np.float32(score or 0.1)) if step else 0.1,
        }
        for step in steps
    ]
    files.curve.write_text("".join(json.dumps(point) + "\n" for point in points))
    record = make_record(spec, {}, 48, float(points[-1]["seconds"] or 0))
    cost = {"train_seconds": points[-1]["seconds"], "images": points[-1]["images"]}
    diverged = "the loss became nan at step 2" if score is None else None
    save_run(files, record | {"cost": cost, "diverged": diverged})
