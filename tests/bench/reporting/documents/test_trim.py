"""What is left of results that are committed."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.reporting.documents.trim import NEIGHBORS, trim
from bench.store.runs import StoredRunError, digest_of, load_run, save_arrays, scan, write_record
from bench.tuning.outcomes import read_outcomes, write_test
from bench.tuning.search import read_search
from demo.library import open_library
from tests.support.fabricated import make_spec, write_results
from tests.support.histories import write_history
from tests.support.searches import write_stored_search


def test_trimmed_results_are_whole_and_keep_the_neighbors_of_one_seed(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    write_history(tmp_path, make_spec("digits", "Proxy-NCA", 0))
    before = scan(tmp_path)[0]
    queries = {run.name: run.queries for run in before}
    for _ in range(2):
        trim(tmp_path)
        runs, problems = scan(tmp_path)
        assert problems == []
        assert [run.scores for run in runs] == [run.scores for run in before]
        assert not list(tmp_path.glob("runs/*/embeddings.safetensors"))
        assert not list(tmp_path.glob("runs/*/history.safetensors"))
        assert len(list(tmp_path.glob("pictures/*"))) == 1
        assert len(list(tmp_path.glob("maps/*-s0-*"))) == len(list(tmp_path.glob("maps/*"))) == 3
        assert len(list(tmp_path.glob("runs/*-s0-*/queries.safetensors"))) == 3
        assert len(list(tmp_path.glob("runs/*/queries.safetensors"))) == 3
        for run in runs:
            for name, array in run.queries.items() if run.files.queries.exists() else ():
                old = queries[run.name][name]
                columns = min(NEIGHBORS, old.shape[-1]) if old.ndim == 2 else len(old)
                np.testing.assert_array_equal(array, old[..., :columns])
    assert len(open_library(tmp_path).shelves[0].browsable) == 3


def test_damaged_results_are_not_trimmed(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    next(tmp_path.glob("runs/*-s2-*/curve.jsonl")).unlink()
    with pytest.raises(StoredRunError, match=r"curve\.jsonl is missing"):
        trim(tmp_path)
    assert len(list(tmp_path.glob("runs/*/embeddings.safetensors"))) == 9


def test_trials_keep_their_test_scores_and_no_network(tmp_path: Path) -> None:
    suite = write_stored_search(tmp_path)
    folder = suite.with_suffix("")
    search = read_search(folder)
    assert search
    before, _ = read_outcomes(folder, search)
    for outcome in before:  # as after `tune --test`
        for trial in outcome.trials:
            record = trial.run.record
            own = {"spec": json.dumps(record["spec"]), "data_checksum": record["data_checksum"]}
            save_arrays(trial.run.files.model, {"weight": np.zeros(1)}, own)
            files = {**trial.run.digests, "model.safetensors": digest_of(trial.run.files.model)}
            write_record(trial.run.files, {**record, "files": files})
            if trial.test:
                write_test(load_run(trial.run.files, "trial"), {"map@r": trial.test})
    for _ in range(2):
        trim(tmp_path)
        after, problems = read_outcomes(folder, search)
        assert problems == []
        assert not list(folder.glob("runs/*/model.safetensors"))
        assert [[trial.test for trial in outcome.trials] for outcome in after] == [
            [trial.test for trial in outcome.trials] for outcome in before
        ]
