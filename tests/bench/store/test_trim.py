"""What is left of results that are committed."""

from pathlib import Path

import pytest

from bench.store.runs import StoredRunError, scan
from bench.store.trim import trim
from demo.library import open_library
from tests.support.fabricated import write_results


def test_trimmed_results_are_whole_and_keep_the_neighbors_of_one_seed(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    before = scan(tmp_path)[0]
    for _ in range(2):
        trim(tmp_path)
        runs, problems = scan(tmp_path)
        assert problems == []
        assert [run.scores for run in runs] == [run.scores for run in before]
        assert not list(tmp_path.glob("runs/*/embeddings.safetensors"))
        assert len(list(tmp_path.glob("runs/*-s0-*/queries.safetensors"))) == 3
        assert len(list(tmp_path.glob("runs/*/queries.safetensors"))) == 3
    assert len(open_library(tmp_path).shelves[0].browsable) == 3


def test_damaged_results_are_not_trimmed(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    next(tmp_path.glob("runs/*-s2-*/curve.jsonl")).unlink()
    with pytest.raises(StoredRunError, match=r"curve\.jsonl is missing"):
        trim(tmp_path)
    assert len(list(tmp_path.glob("runs/*/embeddings.safetensors"))) == 9
