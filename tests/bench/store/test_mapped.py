"""Arrays that stay on disk are those that were stored, also after their memory was given back."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.store.mapped import give_back, map_tensor
from bench.store.runs import RunDir, StoredRunError, load_run
from tests.support.fabricated import make_spec, write_run


def test_a_tensor_is_that_of_the_file(tmp_path: Path) -> None:
    first = np.arange(6, dtype=np.float32).reshape(3, 2)
    save_file({"a": first, "b": first + 10, "n": np.arange(3)}, tmp_path / "file")
    for name, expected in (("a", first), ("b", first + 10)):
        found = map_tensor(tmp_path / "file", name)
        give_back(found)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="n of type I64"):
        map_tensor(tmp_path / "file", "n")


def test_embeddings_on_disk_are_compared_with_their_digest(tmp_path: Path) -> None:
    directory = write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    run = load_run(RunDir(directory))
    np.testing.assert_array_equal(run.embeddings_on_disk, run.embeddings["embeddings"])
    path = run.files.embeddings
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoredRunError, match="was changed after the run"):
        assert load_run(RunDir(directory)).embeddings_on_disk.size
