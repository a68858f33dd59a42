"""Which runs are one method, and its name."""

from pathlib import Path

import pytest

from bench.reporting.groups import method_names, with_last_names
from bench.reporting.statistics.uncertainty import COLUMNS, frame
from bench.store.runs import Run, RunDir, load_run
from tests.support.fabricated import make_spec, seal, write_run


def run_of(results: Path, name: str, seed: int, day: int, **fields: object) -> Run:
    """A run of a name that finished on a day."""
    spec = make_spec("digits", "Proxy-NCA", seed).model_copy(update={"method": name, **fields})
    path = write_run(results, spec, gain=0.1 * day)
    environment = load_run(RunDir(path)).record["environment"]
    seal(path, environment={**environment, "finished": f"2026-01-0{day}T00:00:00+00:00"})
    return load_run(RunDir(path))


@pytest.mark.parametrize("days", [(1, 2, 3), (3, 2, 1)])
def test_a_method_that_was_renamed_between_its_seeds_is_one(
    days: tuple[int, int, int], tmp_path: Path
) -> None:
    names = ("Proxy-NCA", "Proxy-NCA", "Proxy NCA")
    runs = [run_of(tmp_path, *each) for each in zip(names, (0, 1, 2), days, strict=True)]
    last = names[days.index(3)]
    assert method_names(runs) == [last] * 3
    table, _ = frame(runs)  # without the pictures of its images there is a problem
    assert set(table["method"]) == {last}
    assert set(table["n_seeds"]) == {3}


def test_two_names_with_a_common_seed_are_two_methods(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "a", "Proxy-NCA", 0, 1), run_of(tmp_path / "b", "Again", 0, 2)]
    assert method_names(runs) == ["Proxy-NCA", "Again"]


def test_runs_of_a_study_are_called_as_those_of_the_suite(tmp_path: Path) -> None:
    whole = [run_of(tmp_path, "Old", 0, 1), run_of(tmp_path, "New", 1, 2)]
    part = run_of(tmp_path, "Order of batches", 0, 3, varies="batches")
    names = [run.spec["method"] for run in with_last_names([*whole, part])]
    assert names == ["New"] * 3
    assert method_names([*whole, part]) == ["New", "New", "New (varies batches)"]
    assert method_names([part]) == ["Order of batches (varies batches)"]


def test_a_study_in_which_all_varies_keeps_its_name_and_the_suite_its_own(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path, "Proxy-NCA", 0, 1),
        run_of(tmp_path, "All varies", 0, 2, varies="weights+batches+augmentation+split"),
        run_of(tmp_path, "Proxy-NCA", 0, 3, varies="split"),
    ]
    assert method_names(runs) == ["Proxy-NCA", "All varies", "All varies (varies split)"]


def test_two_names_of_one_directory_are_no_two_runs(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "a", "Proxy-NCA", 0, 1),
        run_of(tmp_path / "b", "Proxy NCA", 0, 2),
    ]
    with pytest.raises(ValueError, match="hold the same run"):
        frame(runs)


def test_runs_with_one_source_of_chance_are_in_no_table_and_counted(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, "Proxy-NCA", seed, 1) for seed in (0, 1)]
    part = run_of(tmp_path, "Proxy-NCA", 2, 1, varies="batches")
    table, (_, problem) = frame([*runs, part])
    assert set(table["n_seeds"]) == {2}
    left_out = (
        "runs of a study of variance, in which one source of chance varies alone, are left out"
    )
    assert problem == f"{left_out}: 1"
    table, problems = frame([part])
    assert (len(table), list(table), problems) == (0, list(COLUMNS), [problem])
    assert frame([])[1] == []
