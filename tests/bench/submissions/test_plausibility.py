"""What no honest run has, and what one may have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.store.runs import Run, RunDir, load_run, save_arrays
from bench.submissions.plausibility import costs, equal_seeds, gap, implausible, versions
from tests.support.fabricated import make_spec, owner, seal, write_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two seeds of one method."""
    specs = [make_spec("digits", "Proxy-NCA", seed) for seed in range(2)]
    folders = [write_run(tmp_path, spec, gain=0.1) for spec in specs]
    for number, folder in enumerate(folders):
        seal(folder, parameters={"count": 1, "sha256": str(number) * 64})
    return [load_run(RunDir(folder)) for folder in folders]


def changed(run: Run, **fields: Any) -> Run:
    return Run(run.directory, {**run.record, **fields})


@pytest.mark.parametrize(
    ("package", "version", "possible"),
    [
        ("torch", "2.15.0+cpu", True),
        ("torch", "2.16.0.dev20270101", True),
        ("torch", "99.0", True),  # of a later time
        ("timm", "not installed", True),
        ("python", "3.12.1+", True),
        ("python", "3.13.0rc1", True),
        ("python", "3.10.1", False),
        ("torch", "2.8.0", False),
        ("torch", "not installed", False),
        ("torch", "2.x", False),
    ],
)
def test_versions_that_can_be(runs: list[Run], package: str, version: str, possible: bool) -> None:
    environment = {**runs[0].record["environment"]}
    if package == "python":
        environment["python"] = version
    else:
        environment["packages"] = {**environment["packages"], package: version}
    found = [*versions(changed(runs[0], environment=environment))]
    assert (not found) == possible, found


def test_another_version_of_this_package_may_need_others(runs: list[Run]) -> None:
    environment = {**runs[0].record["environment"]}
    environment["packages"] = {"proxy-bench": "0.0.1", "torch": "2.0"}
    assert not [*versions(changed(runs[0], environment=environment))]
    assert [*versions(changed(runs[0], environment={**environment, "finished": "today"}))]


def test_a_test_far_easier_than_the_validation(runs: list[Run]) -> None:
    run, split = runs[0], runs[0].record["split"]
    far = {**run.scores, "map@r": run.curve[-1]["map@r"] + 0.51}
    more, fewer = ({**split, "test_images": count} for count in (200, 199))
    assert [*gap(changed(run, scores=far, split=more))]
    assert not [*gap(changed(run, scores=far, split=fewer))]
    near = {**far, "map@r": run.curve[-1]["map@r"] + 0.49}
    assert not [*gap(changed(run, scores=near, split=more))]


def test_a_split_that_trains_nothing_is_named(runs: list[Run]) -> None:
    split = {**runs[0].record["split"], "train_images": 0}
    [found] = costs(changed(runs[0], split=split))
    assert found.endswith("of which its split trains 0")


def test_equal_results_of_two_seeds(runs: list[Run]) -> None:
    one, other = runs
    assert not [*equal_seeds(runs)]
    [found] = equal_seeds([one, changed(other, parameters=one.record["parameters"])])
    assert found.what == f"has the parameters of {one.name}, which has another seed"
    renamed = changed(one, spec={**one.spec, "method": "The same under another name"})
    assert not [*equal_seeds([one, renamed])]


@pytest.mark.parametrize(("share", "copied"), [(0.005, 1), (0.02, 0)])
def test_embeddings_that_nearly_are_those_of_another_seed(
    runs: list[Run], share: float, copied: int
) -> None:
    one, other = runs
    embeddings = one.embeddings["embeddings"]
    noise = np.random.default_rng(0).normal(size=embeddings.shape)
    noise *= share * np.linalg.norm(embeddings) / np.linalg.norm(noise)
    arrays = {**one.embeddings, "embeddings": (embeddings + noise).astype(np.float32)}
    save_arrays(other.files.embeddings, arrays, owner(other.directory))
    seal(other.directory)
    assert len([*equal_seeds([one, load_run(other.files)])]) == copied


def test_epochs_that_are_not_those_of_the_split(runs: list[Run]) -> None:
    """The made-up curve counts 1,000 training images, the record 800."""
    checks = {finding.check for finding in implausible(runs)}
    assert checks == {"cost"}
    split = {**runs[0].record["split"], "train_images": 1000}
    assert not [*implausible([changed(runs[0], split=split)])]
