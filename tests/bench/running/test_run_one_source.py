"""Whole runs of a study of variance: stored, stopped and resumed like all others."""

import json
from pathlib import Path

import pytest

from bench.running.run import InterruptedRunError
from bench.store.runs import StoredRunError, load_run
from tests.support.fabricated import seal
from tests.support.short_runs import execute, numbers, spec_for, stopping_every


def test_with_the_seed_of_what_does_not_vary_a_run_is_the_ordinary_one(tmp_path: Path) -> None:
    ordinary = execute(spec_for(seed=0), tmp_path)
    assert numbers(execute(spec_for(seed=0, varies="batches"), tmp_path)) == numbers(ordinary)


def test_a_run_with_a_drawn_split_is_stopped_and_resumed_with_the_same_bits(tmp_path: Path) -> None:
    spec = spec_for(seed=3, varies="weights+split")
    whole, stop = execute(spec, tmp_path / "whole"), stopping_every(5)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "stopped", stop)
    resumed = execute(spec, tmp_path / "stopped", stop)
    assert numbers(resumed) == numbers(whole)
    own = execute(spec_for(seed=3), tmp_path / "own").record["split"]
    split = resumed.record["split"]
    assert split["fingerprint"] == own["fingerprint"] != split["drawn"]
    assert "drawn" not in own
    assert split["test_images"] == own["test_images"]
    pictures = (tmp_path / "stopped/pictures").iterdir()
    assert sorted(path.stem.endswith("-validation") for path in pictures) == [False, True]

    record = json.loads((resumed.directory / "run.json").read_text())
    seal(resumed.directory, split=record["split"] | {"drawn": None})
    with pytest.raises(StoredRunError, match=r"split\.drawn = None, but its seed draws"):
        load_run(resumed.files)
