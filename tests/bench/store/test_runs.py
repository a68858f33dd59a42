import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.store.runs import (
    RunDir,
    StoredRunError,
    load_run,
    naming,
    save_arrays,
    save_run,
    scan,
    write_text,
)
from bench.store.thumbnails import load_thumbnails, thumbnails_path
from bench.temporary import atomic
from tests.support.fabricated import (
    FINGERPRINT,
    end_early,
    make_record,
    make_spec,
    owner,
    seal,
    write_pictures,
    write_results,
    write_run,
)

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


def test_a_run_that_ended_early_names_the_steps_that_it_took(tmp_path: Path) -> None:
    spec = make_spec("digits", "Proxy-NCA", 0).model_copy(update={"patience": 2})
    directory = write_run(tmp_path, spec, gain=0.2)
    end_early(directory, 60)
    seal(directory, trained=False)
    assert load_run(RunDir(directory)).problem.endswith("at each of its 60 steps")


def test_a_directory_without_run_json_is_not_a_result(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    (directory / "run.json").unlink()
    runs, problems = scan(tmp_path)
    assert runs == []
    assert [str(problem) for problem in problems] == [
        f"{directory}/run.json is missing beside the other files of the run; run its suite again"
    ]
    with pytest.raises(StoredRunError, match=r"run\.json is missing; delete .* to run it again"):
        load_run(RunDir(directory))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 2}', "schema 2, this version reads schema 3; nothing was changed"),
        ("{}", "schema None"),
        ("[1]", "schema None"),
        ("{", "cannot be read"),
        ('{"schema": 3, "spec": {}}', "was changed after the run: it has the digest None"),
    ],
)
def test_a_bad_record_is_reported_and_not_changed(
    tmp_path: Path, content: str, message: str
) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    write_run(tmp_path, make_spec("digits", "Proxy-NCA", 1), gain=0.1)
    (directory / "run.json").write_text(content)
    runs, problems = scan(tmp_path)
    assert [run.spec["seed"] for run in runs] == [1]
    assert message in str(problems[0])
    assert str(directory) in str(problems[0])
    assert (directory / "run.json").read_text() == content


@pytest.mark.parametrize("name", ["queries", "embeddings"])
@pytest.mark.parametrize("other", [{"seed": 1}, {"loss_learning_rate": 0.2}, {"steps": 200}])
def test_arrays_of_another_run_are_refused_although_their_digest_is_right(
    tmp_path: Path, name: str, other: dict[str, Any]
) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    changed = write_run(tmp_path, SPEC.model_copy(update=other), gain=0.1)
    shutil.copy(changed / f"{name}.safetensors", directory / f"{name}.safetensors")
    seal(directory, scores=json.loads((changed / "run.json").read_text())["scores"])
    runs, problems = scan(tmp_path)
    assert [run.directory for run in runs] == [changed]
    found = f"{name}.safetensors is of another run, whose spec_id is {runs[0].spec_id}; delete"
    assert found in str(problems[0])


@pytest.mark.parametrize(
    ("other", "data", "message"),
    [
        ({"seed": 1}, "c", "is of another run, whose spec_id is"),
        ({"loss": "triplet"}, "c", "is of another run"),
        ({"steps": 200}, "c", "is of another run"),
        ({}, "d", "was trained on other data, dddddddddddd"),
        (None, "c", "cannot be read"),
    ],
)
def test_the_network_of_another_run_is_refused_although_its_digest_is_right(
    tmp_path: Path, other: dict[str, Any] | None, data: str, message: str
) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    tensors = {"weight": np.zeros(3, dtype=np.float32)}
    header = {"spec": SPEC.model_dump_json(), "data_checksum": "c" * 64}
    save_arrays(directory / "model.safetensors", tensors, header)
    seal(directory)
    assert scan(tmp_path)[1] == []
    changed = {"data_checksum": data * 64}
    if other is not None:
        changed["spec"] = SPEC.model_copy(update=other).model_dump_json()
    save_arrays(directory / "model.safetensors", tensors, changed)
    seal(directory)
    runs, (problem,) = scan(tmp_path)
    assert runs == []
    assert f"{directory}/model.safetensors {message}" in str(problem)


def test_every_run_directory_is_counted_as_it_is_read(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    counts: list[tuple[int, int]] = []
    runs, _ = scan(tmp_path, lambda done, total: counts.append((done, total)))
    assert counts == [(done, len(runs)) for done in range(len(runs))]


def test_a_result_with_nan_is_not_written(tmp_path: Path) -> None:
    record = make_record(SPEC, {"recall@1": float("nan")}, 5)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_run(RunDir(tmp_path), record)
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


@pytest.mark.parametrize("number", [errno.EFBIG, errno.EROFS, errno.ENOSPC])
def test_a_write_that_fails_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Not its temporary name, nor none, as the system does."""

    def fail(*arguments: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", fail)
    monkeypatch.setattr(Path, "unlink", fail)  # as on a read-only file system
    path = tmp_path / "a.json"
    with pytest.raises(OSError, match=os.strerror(number)) as found:
        write_text(path, "new")
    assert (found.value.errno, found.value.filename) == (number, str(path))


REFUSALS = [errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE]


@pytest.mark.parametrize("number", REFUSALS)
def test_a_file_that_the_system_refuses_is_not_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It may be whole; also that of the pictures."""
    write_pictures(tmp_path, "digits")
    directory = write_run(tmp_path, SPEC, gain=0.1)

    def refuse(path: Path, *arguments: object, **more: object) -> str:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoredRunError) as run:
        load_run(RunDir(directory))
    with pytest.raises(StoredRunError) as pictures:
        load_thumbnails(thumbnails_path(tmp_path, "digits", FINGERPRINT))
    for message in (str(run.value), str(pictures.value)):
        assert "; check its permissions and the disk" in message
        assert os.strerror(number) in message
        assert "delete" not in message


@pytest.mark.parametrize("error", [FileNotFoundError, IsADirectoryError, NotADirectoryError])
def test_a_file_that_is_missing_or_a_folder_is_to_be_deleted(
    tmp_path: Path, error: type[OSError]
) -> None:
    with pytest.raises(StoredRunError, match=f"; delete {tmp_path} to"), naming(tmp_path / "a"):
        raise error(errno.ENOENT, "gone")


@pytest.mark.parametrize(
    ("error", "finished"),
    [
        (FileNotFoundError, False),
        (NotADirectoryError, False),
        (PermissionError, True),
        (OSError, True),
    ],
)
def test_a_run_that_cannot_be_looked_at_counts_as_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError], finished: bool
) -> None:
    """Path.exists of Python 3.14 hides every error."""

    def refuse(path: Path, **arguments: bool) -> os.stat_result:
        raise error

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    found = RunDir(tmp_path).finished
    monkeypatch.undo()
    assert found == finished


@pytest.mark.parametrize("name", ["embeddings", "queries", "roc"])
def test_scores_without_a_record_are_those_of_a_lost_run(tmp_path: Path, name: str) -> None:
    files = RunDir(tmp_path)
    assert not files.lost
    (tmp_path / f"{name}.safetensors").touch()
    assert files.lost


def test_thumbnails_come_back_and_damage_is_reported(tmp_path: Path) -> None:
    write_pictures(tmp_path, "digits")
    path = thumbnails_path(tmp_path, "digits", FINGERPRINT)
    pictures = load_thumbnails(path)
    images = pictures.files["images"]
    assert images.dtype == np.uint8
    assert len(images) == len(pictures.labels) == len(pictures.items)
    assert pictures.class_names[0] == "class <b>0</b> & é"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoredRunError, match="delete it and one run on this data set"):
        load_thumbnails(path)


def _swap(images: np.ndarray) -> np.ndarray:
    return images[::-1]


def _paint(images: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(images))[:, None, None] == 7, 0, images).astype(np.uint8)


def _crop(images: np.ndarray) -> np.ndarray:
    return images[:, :-1]


@pytest.mark.parametrize("change", [_swap, _paint, _crop])
def test_changed_pictures_are_refused_although_the_archive_is_whole(
    tmp_path: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    write_pictures(tmp_path, "digits")
    path = thumbnails_path(tmp_path, "digits", FINGERPRINT)
    with np.load(path) as file:
        stored = dict(file)
    np.savez_compressed(path, **stored)
    assert len(load_thumbnails(path)) == len(stored["labels"])
    np.savez_compressed(path, **{**stored, "images": change(stored["images"])})
    with pytest.raises(StoredRunError, match="its pictures were changed"):
        load_thumbnails(path)
    np.savez_compressed(path, **{key: stored[key] for key in stored if key != "digest"})
    assert len(load_thumbnails(path)) == len(stored["labels"])  # of an earlier version


def test_the_state_of_a_run_follows_from_its_files(tmp_path: Path) -> None:
    files = RunDir.of(tmp_path, SPEC)
    states: list[str] = [files.state]
    files.path.mkdir(parents=True)
    files.checkpoint.touch()
    states.append(files.state)
    files.write_failure("no space")
    states.append(f"{files.state}: {files.failure}")
    files.write_progress(7, "training")
    with files.lock():
        states.append(f"{files.state}, step {files.step}")
    save_run(files, make_record(SPEC, {"recall@1": 1.0}, 5))
    states.append(files.state)
    running = "running, step 7"
    assert states == ["waiting", "interrupted", "failed: no space", running, "finished"]


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"7", b'{"step": -1}', b'{"step": "7"}', b"\xff", b"[" * 10**5]
)
def test_a_damaged_note_counts_as_none(content: bytes, tmp_path: Path) -> None:
    files = RunDir(tmp_path)
    for name in ("progress.json", "failed.json"):
        (tmp_path / name).write_bytes(content)
    assert (files.step, files.doing, files.failure) == (None, "training", None)
    assert files.state == "waiting"


def test_cleaning_removes_what_a_killed_or_failed_process_left(tmp_path: Path) -> None:
    files = RunDir(tmp_path)
    files.checkpoint.touch()
    files.write_failure("no space")
    files.write_progress(7, "training")
    (tmp_path / ".run.json.1.tmp").touch()
    files.clean()
    assert list(tmp_path.iterdir()) == [files.checkpoint]


def test_one_process_at_a_time_locks_a_run_and_its_death_frees_it(tmp_path: Path) -> None:
    files = RunDir(tmp_path)
    code = (
        "import os, sys; from pathlib import Path; from bench.store.runs import RunDir\n"
        "with RunDir(Path(sys.argv[1])).lock() as locked:\n"
        "    print(locked, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    files.write_progress(7, "training")
    with subprocess.Popen(command, text=True, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "True\n"
        with files.lock() as locked:
            assert not locked
        states = [files.state]
        other.kill()
    assert [*states, files.state] == ["running", "interrupted"]  # the step is still stored
    with files.lock() as locked:
        assert locked


def test_neighbors_that_contradict_the_scores_of_their_query_are_refused(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SPEC, gain=0.1)
    files = RunDir(directory)
    (run,), _ = scan(tmp_path)
    for name in ("neighbors", "average_precision", "r_precision", "first_hit"):
        arrays = {key: array.copy() for key, array in run.queries.items()}
        if name == "neighbors":  # with the same first hit
            row = int(((arrays["first_hit"] == 1) & (arrays["r_precision"] < 0.5)).argmax())
            arrays[name][row, 1:] = arrays[name][row, 0]
        else:  # with the same means
            first = int((arrays[name] != arrays[name][0]).argmax())
            arrays[name][[0, first]] = arrays[name][[first, 0]]
        save_arrays(files.queries, arrays, owner(directory))
        seal(directory)
        _, (problem,) = scan(tmp_path)
        assert "that contradicts the labels of the neighbors, for" in str(problem)
