"""`proxy-bench pack`: everything that a submission needs, and nothing that names its maker."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.cli.submissions.pack import pack_suite
from bench.store.community import read_submission
from bench.store.runs import RunDir, load_run, save_arrays
from bench.submissions.pack import Labels
from bench.submissions.personal import NOBODY, find_traces, names
from bench.suites import load_suite
from tests.support.fabricated import owner, seal, write_run
from tests.support.submitted import SUITE


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stored suite on the machine `desk17` of `jane-doe`; returns the path of its file."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "jane"))
    monkeypatch.setenv("PROXY_BENCH_DATA", str(tmp_path / "images"))
    monkeypatch.setattr("getpass.getuser", lambda: "jane-doe")
    monkeypatch.setattr("socket.gethostname", lambda: "desk17.example.org")
    path = work / "mine.toml"
    path.write_text(SUITE)
    for spec in load_suite(str(path)).specs:
        write_run(work / "results", spec, gain=0.1 * spec.seed)
    return str(path)


def runs_of(suite: str) -> list[RunDir]:
    return [RunDir.of(Path("results"), spec) for spec in load_suite(suite).specs]


def packed(suite: str, **labels: object) -> Path:
    pack_suite(suite, Path("sent"), Path("results"), Labels(**labels))  # type: ignore[arg-type]
    return Path("sent")


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_no_byte_names_user_host_or_folder(suite: str, tmp_path: Path) -> None:
    for files in runs_of(suite):
        for name in ("log.txt", "lock", "checkpoint.pt", "failed.json"):
            (files.path / name).write_text(f"jane-doe@desk17:{tmp_path}")
    folder = packed(suite)
    for path in folder.rglob("*"):
        for trace in ("jane", "desk17", "example.org", str(tmp_path)):
            assert trace not in path.name
            assert path.is_dir() or trace.encode() not in path.read_bytes()
    kept = ("run.json", "curve.jsonl", "embeddings.safetensors", "queries.safetensors")
    names_of_runs = [files.name for files in runs_of(suite)]
    expected = {f"runs/{run}/{name}" for run in names_of_runs for name in kept}
    assert files_in(folder) == expected | {"submission.json", "suite.toml"}
    assert read_submission(folder).files.keys() == expected | {"suite.toml"}
    assert "author" not in json.loads((folder / "submission.json").read_text())


def test_networks_are_sent_on_demand(suite: str) -> None:
    files = runs_of(suite)[0]
    record = json.loads(files.record.read_text())
    header = {"spec": json.dumps(record["spec"]), "data_checksum": record["data_checksum"]}
    save_file({"weight": np.zeros(3, dtype=np.float32)}, files.model, header)
    seal(files.path)
    with_models = packed(suite, models=True)
    model = f"runs/{files.name}/model.safetensors"
    assert model in files_in(with_models)
    with_models.rename("with models")
    without = packed(suite)
    assert model not in files_in(without)
    load_run(RunDir(without / "runs" / files.name)).check_files()


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        ("# by Jane-Doe", "the user name 'jane-doe'"),
        ("# made on desk17", "the host name 'desk17'"),
        ("# see {work}/notes", "the path '{work}'"),
        ("# from {root}/images/x", "the path '{root}/images'"),
    ],
)
def test_a_trace_is_refused_by_name_and_nothing_is_left(
    suite: str, text: str, trace: str, tmp_path: Path
) -> None:
    known = {"work": str(tmp_path / "work"), "root": str(tmp_path)}
    Path(suite).write_text(SUITE + text.format(**known) + "\n")
    with pytest.raises(ValueError, match=re.escape(f"suite.toml has {trace.format(**known)}")):
        packed(suite)
    assert [
        path.name for path in Path().iterdir() if path.name not in ("mine.toml", "results")
    ] == []


def test_the_environment_and_the_headers_of_arrays_are_looked_at(suite: str) -> None:
    files = runs_of(suite)[0]
    run = load_run(files)
    arrays, own = run.embeddings, owner(files.path)
    seal(files.path, environment={**run.record["environment"], "platform": "Linux-desk17-x86_64"})
    with pytest.raises(ValueError, match=r"run\.json has the host name 'desk17'"):
        packed(suite)
    seal(files.path, environment=run.record["environment"])
    save_arrays(files.embeddings, arrays, {**own, "by": "jane-doe"})
    seal(files.path)
    with pytest.raises(ValueError, match=r"embeddings\.safetensors has the user name 'jane-doe'"):
        packed(suite)


def test_what_the_submitter_gives_or_allows_is_packed(suite: str) -> None:
    Path(suite).write_text(SUITE + "# jane-doe is a method\n")
    folder = packed(suite, author="Jane-Doe", title="By jane-doe", allowed=["jane-doe"])
    found = read_submission(folder)
    assert (found.author, found.title) == ("Jane-Doe", "By jane-doe")
    folder.rename("first")
    with pytest.raises(ValueError, match="has author"):
        packed(suite, author="a\x1b[31m", allowed=["jane-doe"])


def test_words_that_only_hold_a_name_are_no_trace(tmp_path: Path) -> None:
    assert names("ann", "by Ann, of course")
    assert names("ann", "results_of_ann_1")
    assert not names("ann", "annealed, planned")
    save_arrays(tmp_path / "a.safetensors", {"x": np.frombuffer(b" ann ann", np.uint8)}, {})
    assert [*find_traces(tmp_path, {"ann": "the user name"})] == []
    assert "root" in NOBODY


def test_what_nobody_else_can_verify_is_refused(suite: str) -> None:
    files = runs_of(suite)[0]
    files.embeddings.rename(files.path / "kept")
    seal(files.path)
    with pytest.raises(ValueError, match="its embeddings were not kept"):
        packed(suite)
    (files.path / "kept").rename(files.embeddings)
    seal(files.path)
    spec = json.loads(files.record.read_text())["spec"]
    seal(files.path, spec={**spec, "weights": "/images/own.safetensors"})
    with pytest.raises(ValueError, match="its weights are a file of somebody's own"):
        packed(suite)
    seal(files.path, spec=spec)
    files.record.unlink()
    with pytest.raises(ValueError, match="1 of 2 runs of "):
        packed(suite)
    assert not Path("sent").exists()


def test_a_folder_that_holds_something_is_left_as_it_is(suite: str) -> None:
    Path("sent").mkdir()
    Path("sent", "mine").touch()
    with pytest.raises(ValueError, match="sent is not empty"):
        packed(suite)
