import json
from pathlib import Path

import numpy as np
import pytest

from bench.store.runs import (
    StoredRunError,
    atomic,
    load_arrays,
    load_run,
    read_curve,
    save_arrays,
    save_run,
    scan,
)
from bench.store.thumbnails import load_thumbnails, thumbnails_path
from tests.support.fabricated import FINGERPRINT, make_record, make_spec, write_pictures, write_run

SPEC = make_spec("digits", "Proxy-NCA", 0)


def test_a_stored_run_comes_back_as_it_was(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    runs, problems = scan(tmp_path)
    assert problems == []
    (run,) = runs
    assert run.directory == directory
    assert run.spec == SPEC.model_dump()
    assert run.record["split"]["fingerprint"] == FINGERPRINT
    assert [point["step"] for point in run.curve] == [0, 20, 40, 60, 80, 100]
    assert (run.queries["first_hit"] <= 1).mean() == pytest.approx(run.scores["recall@1"])


def test_a_directory_without_run_json_is_no_result(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    (directory / "run.json").unlink()
    assert scan(tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 1}', "schema 1, this version reads schema 2; it was left as it is"),
        ("{}", "schema None"),
        ("[1]", "schema None"),
        ("{", "cannot be read"),
        ('{"schema": 2, "spec": {}}', "lacks environment, scores, spec_id, split"),
    ],
)
def test_a_bad_record_is_told_and_left_alone(tmp_path: Path, content: str, message: str) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    write_run(tmp_path, make_spec("digits", "Proxy-NCA", 1), gain=0.1)
    (directory / "run.json").write_text(content)
    runs, problems = scan(tmp_path)
    assert [run.spec["seed"] for run in runs] == [1]
    assert message in str(problems[0])
    assert str(directory) in str(problems[0])
    assert (directory / "run.json").read_text() == content


def test_a_result_with_nan_is_not_written(tmp_path: Path) -> None:
    record = make_record(SPEC, {"recall@1": float("nan")}, 5)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_run(tmp_path, record)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def break_off() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        break_off()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_torn_last_line_of_a_curve_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    path.write_text(json.dumps({"step": 0}) + "\n" + '{"step": 1')
    assert read_curve(path) == [{"step": 0}]
    path.write_text("")
    assert read_curve(path) == []


def test_arrays_come_back_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "arrays.safetensors"
    array = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    save_arrays(path, {"x": array.T}, {"spec_id": "abc"})
    np.testing.assert_array_equal(load_arrays(path)["x"], array.T)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoredRunError, match=r"arrays\.safetensors cannot be read"):
        load_arrays(path)
    with pytest.raises(StoredRunError, match=r"none\.safetensors cannot be read"):
        load_arrays(tmp_path / "none.safetensors")


def test_pictures_come_back_and_damage_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path, "digits")
    path = thumbnails_path(tmp_path, "digits", FINGERPRINT)
    pictures = load_thumbnails(path)
    images = pictures.images.arrays()["images"]
    assert images.dtype == np.uint8
    assert len(images) == len(pictures.labels) == len(pictures.items)
    assert pictures.class_names[0] == "class <b>0</b> & é"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoredRunError, match="delete it and one run on this data set"):
        load_thumbnails(path)


def test_a_missing_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoredRunError, match=r"run\.json cannot be read"):
        load_run(tmp_path)
