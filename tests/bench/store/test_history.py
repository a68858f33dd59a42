"""Histories are read with their runs, and refused where they contradict these."""

from pathlib import Path

import numpy as np
import pytest

from bench.store.runs import RunDir, load_run, save_arrays, scan
from tests.support.fabricated import make_spec, owner, seal, write_run
from tests.support.histories import STEPS, write_history

SPEC = make_spec("digits", "Proxy-NCA", 0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_run(tmp_path, SPEC, gain=0.1)
    return write_history(tmp_path, SPEC)


def test_a_history_comes_back(directory: Path) -> None:
    (run,), problems = scan(directory.parents[1])
    assert problems == []
    assert run.history is not None
    assert run.history["steps"].tolist() == [*STEPS]


def test_a_run_without_a_history_has_none(tmp_path: Path) -> None:
    assert load_run(RunDir(write_run(tmp_path, SPEC, gain=0.1))).history is None


def change(name: str, arrays: dict[str, np.ndarray]) -> None:
    """Write something that no run stores into one of the arrays of a history."""
    if name == "steps":
        arrays[name] = arrays[name] + 1
    elif name == "embeddings":
        arrays[name] = arrays[name][:, :, :8]
    elif name == "labels":
        arrays[name] = arrays[name][1:]
    elif name == "images":
        del arrays[name]
    else:
        arrays[name] = arrays[name].copy()
        arrays[name][1, 3] = 2 if arrays[name][1, 3] == 1 else 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("steps", "that are not validations of the curve"),
        ("embeddings", "has embeddings of F32 (4, 200, 8), expected F32 (4, 200, 16)"),
        ("labels", "has labels of int64 (199,) for 200 images"),
        ("images", "lacks images"),
        ("first_hit", "gives recall@1 = "),
        ("average_precision", "at step 40, but curve.jsonl has"),
    ],
)
def test_a_history_that_contradicts_its_run_is_refused(
    directory: Path, name: str, message: str
) -> None:
    history = load_run(RunDir(directory)).history
    assert history is not None
    change(name, arrays := dict(history))
    save_arrays(RunDir(directory).history, arrays, owner(directory))
    seal(directory)
    runs, (problem,) = scan(directory.parents[1])
    assert runs == []
    assert f"{directory}/history.safetensors" in str(problem)
    assert message in str(problem)
