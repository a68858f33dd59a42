"""Real runs for tests of submissions, and their verification without further processes."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from bench.cli import verify
from bench.cli.submissions import cost
from bench.spec import RunSpec
from bench.store.runs import Run
from bench.verification.outcome import Outcome
from bench.verification.scores import verify_run
from bench.verification.start import verify_run_start
from bench.verification.training import compare_runs
from tests.support.submitted import Pool, data_of, register_gallery


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Real runs."""
    return Pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="module")
def pool(made: Pool) -> Iterator[Pool]:
    """Real runs; what computes again does so in this process, and trains a specification once."""
    known: dict[Any, Any] = {}
    scored: dict[tuple[str, ...], Outcome] = {}

    def scores(runs: Sequence[Run], options: object) -> list[Outcome]:
        for run in runs:
            key = run.name, run.record["digest"]
            scored[key] = scored.get(key) or verify_run(run, data_of(run))
        return [scored[run.name, run.record["digest"]] for run in runs]

    def starts(*arguments: Any) -> list[Outcome]:
        return [verify_run_start(run, data_of(run), known) for run in arguments[2]]

    def trainings(runs: Sequence[Run], options: object) -> list[Outcome]:
        return [compare_runs(run, made.honest(RunSpec(**run.spec))) for run in runs]

    with pytest.MonkeyPatch.context() as patch:
        register_gallery(patch)
        patch.setattr(verify, "score_again", scores)
        patch.setattr(verify, "compute_again", starts)
        patch.setattr(verify, "train_again", trainings)
        patch.setattr(cost, "cost_of", lambda *arguments: cost.Cost(60.0, 600.0, []))
        yield made
