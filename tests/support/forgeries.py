"""Planted falsifications of packed runs. Every one makes all digests right again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from bench.datasets.types import Dataset
from bench.evaluation.score_test import score_embeddings
from bench.spec import RunSpec
from bench.store.runs import Run, RunDir, load_run, save_arrays
from bench.submissions.pack import Labels, write_submission
from tests.support.fabricated import owner, seal
from tests.support.submitted import Choice, Pool, data_of, with_fields

Random = np.random.Generator
GAIN = ("recall@1", "recall@2", "map@r", "r_precision")


class Forgery(NamedTuple):
    """A falsification: its kind, how it is done, and the check that finds it first.

    forge: changes one of the packed runs and returns its name; gallery: whether it needs one.
    """

    kind: str
    way: str
    found_by: str
    forge: Callable[[Path, list[Run], Pool, Random], str]
    gallery: bool = False


def forged(folder: Path, choice: Choice, forgery: Forgery, pool: Pool, random: Random) -> str:
    """Write a submission with a falsification; returns the name of the forged run."""
    name = forgery.forge(folder, pool.submission(folder, choice), pool, random)
    write_submission(folder, Labels())
    return name


def one_of(runs: list[Run], random: Random) -> Run:
    return runs[int(random.integers(len(runs)))]


def write(run: Run, arrays: dict[str, np.ndarray] | None = None, **fields: Any) -> str:
    """Write embeddings and fields of a run with digests that fit."""
    if arrays:
        save_arrays(run.files.embeddings, arrays, owner(run.directory))
    seal(run.directory, **fields)
    return run.name


def rescore(
    run: Run, embeddings: np.ndarray, labels: np.ndarray | None = None, **fields: Any
) -> str:
    """Write other embeddings, and labels if given, with every score and query that follows."""
    dataset = data_of(run)
    positions = dataset.test_positions
    seen = dataset if labels is None else relabelled(dataset, positions, labels)
    arrays = {"embeddings": embeddings.astype(np.float32), "labels": seen.labels[positions]}
    scores, queries, roc = score_embeddings(torch.from_numpy(arrays["embeddings"]), seen, positions)
    save_arrays(run.files.queries, queries, owner(run.directory))
    if roc:
        save_arrays(run.files.roc, roc, owner(run.directory))
    return write(run, arrays, scores={**run.scores, **scores}, **fields)


def relabelled(dataset: Dataset, positions: np.ndarray, labels: np.ndarray) -> Dataset:
    every = dataset.labels.copy()
    every[positions] = labels
    return with_fields(dataset, labels=every)


def pulled(run: Run, share: float) -> np.ndarray:
    """Embeddings nearer to the means of their classes."""
    embeddings, labels = run.embeddings["embeddings"], run.embeddings["labels"]
    means = np.stack([embeddings[labels == label].mean(0) for label in np.unique(labels)])
    return (1 - share) * embeddings + share * means[np.searchsorted(np.unique(labels), labels)]


def write_curve(run: Run, points: list[dict[str, Any]], **fields: Any) -> str:
    run.files.curve.write_text("".join(json.dumps(point) + "\n" for point in points))
    return write(run, **fields)


def transplant(source: Run, target: Run, *, first: Run | None = None, **fields: Any) -> str:
    """Give a run the results of another; first: the run whose untrained scores and first
    validation it shows, the source if not given."""
    start = first or source
    for name, arrays in {
        "embeddings": source.embeddings,
        "queries": source.queries,
        "roc": source.roc,
    }.items():
        if arrays:
            save_arrays(target.directory / f"{name}.safetensors", arrays, owner(target.directory))
    record = {key: source.record[key] for key in ("scores", "parameters", "cost")}
    record |= {"untrained": start.record["untrained"], **fields}
    return write_curve(target, [start.curve[0], *source.curve[1:]], **record)


# score


def raised_score(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    name = str(random.choice([key for key in run.scores if key.startswith(("nmi", "ami"))]))
    return write(run, scores={**run.scores, name: run.scores[name] + 0.01})


def raised_recall(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    name = str(random.choice(GAIN))
    return write(run, scores={**run.scores, name: run.scores[name] + 0.9 * (1 - run.scores[name])})


def raised_accuracy(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    scores = {**run.scores, "accuracy_neighbor": (1 + run.scores["accuracy_neighbor"]) / 2}
    return write(run, scores=scores)


# curve


def curve_from_start(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    points = [{**point, "map@r": point["map@r"] / 2} for point in run.curve]
    return write_curve(run, points)


def faster_curve(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    first, second, *rest = run.curve
    better = {key: rest[-1][key] for key in ("recall@1", "map@r", "r_precision")}
    return write_curve(run, [first, {**second, **better}, *rest])


def excused_curve(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """As above, from a first step that differs a little, as on another processor."""
    run = one_of(runs, random)
    first, second, *rest = run.curve
    better = dict.fromkeys(("recall@1", "map@r", "r_precision"), 0.99)
    second["loss"] *= 1 + 1e-6
    parameters = {**run.record["parameters"], "sha256": random.bytes(32).hex()}
    points = [first, second, {**rest[0], **better}, *rest[1:]]
    return write_curve(run, points, environment=elsewhere(run), parameters=parameters)


def timeless_curve(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    points = [{**point, "seconds": 0.0} for point in run.curve]
    return write_curve(run, points, cost={**run.record["cost"], "train_seconds": 0.0})


# embedding


def moved_embeddings(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    return write(run, {**run.embeddings, "embeddings": pulled(run, 0.3)})


def rescored_embeddings(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    return rescore(run, pulled(run, float(random.uniform(0.1, 0.5))))


# label


def labels_of_neighbors(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    labels = run.embeddings["labels"].copy()
    wrong = np.flatnonzero(run.queries["first_hit"] != 1)[:20]
    labels[wrong] = labels[run.queries["neighbors"][wrong, 0]]
    return rescore(run, run.embeddings["embeddings"], labels)


def mixed_labels(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    labels = random.permutation(run.embeddings["labels"])
    return write(run, {**run.embeddings, "labels": labels})


# split


def other_fingerprint(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    split = {**run.record["split"], "fingerprint": random.bytes(32).hex()}
    seal(run.directory, split=split)
    readdress(run.directory)
    return write(run)


def fewer_images(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """Leave out the test images that are hardest."""
    run = one_of(runs, random)
    kept = np.sort(np.argsort(-run.queries["average_precision"])[:-40])
    dataset = data_of(run)
    positions = dataset.test_positions[kept]
    smaller = replace(dataset.split, query=positions, gallery=positions)
    embeddings = run.embeddings["embeddings"][kept]
    scores, queries, _ = score_embeddings(
        torch.from_numpy(embeddings), with_fields(dataset, split=smaller), positions
    )
    save_arrays(run.files.queries, queries, owner(run.directory))
    arrays = {"embeddings": embeddings, "labels": dataset.labels[positions]}
    split = {**run.record["split"], "test_images": len(kept)}
    return write(run, arrays, split=split, scores={**run.scores, **scores})


# seed


def other_seed(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """A run of a seed that the suite does not have."""
    run = one_of(runs, random)
    spec = RunSpec(**run.spec)
    return transplant(pool.honest(spec.model_copy(update={"seed": 9})), run)


def other_seed_hidden(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    spec = RunSpec(**run.spec)
    return transplant(pool.honest(spec.model_copy(update={"seed": 9})), run, first=run)


def seed_of_record(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """Another seed in the specification, with an id and a name that fit."""
    run = one_of(runs, random)
    spec = RunSpec(**run.spec).model_copy(update={"seed": 7})
    target = RunDir.of(folder, spec)
    run.directory.rename(target.path)
    seal(target.path, spec=spec.model_dump(), spec_id=spec.spec_id)
    readdress(target.path)
    seal(target.path)
    return target.name


def readdress(directory: Path) -> None:
    """Let the arrays of a run name the specification and the split of its record."""
    for path in directory.glob("*.safetensors"):
        with safe_open(path, "numpy") as stored:
            metadata = stored.metadata()
        save_arrays(path, load_file(path), metadata | owner(directory))


# version


def impossible_version(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    package, version = [("torch", "1.0"), ("numpy", "1.13.0"), ("torch", "2.x")][random.integers(3)]
    environment = {**run.record["environment"]}
    environment["packages"] = {**environment["packages"], package: version}
    return write(run, environment=environment)


def excused_score(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """A forged score, and another version to explain it."""
    run = one_of(runs, random)
    scores = {**run.scores, "nmi": run.scores["nmi"] + 0.05, "nmi_max": run.scores["nmi"] + 0.05}
    return write(run, scores=scores, environment=elsewhere(run))


def excused_embeddings(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    return rescore(run, pulled(run, 0.6), environment=elsewhere(run))


def excused_training(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """As above, with parameters and a curve that differ from the start, as on another processor."""
    run = one_of(runs, random)
    first, *others = run.curve
    points = [{**point, "loss": point["loss"] * 1.001} for point in others]
    parameters = {**run.record["parameters"], "sha256": random.bytes(32).hex()}
    run.files.chain.unlink(missing_ok=True)
    write_curve(run, [first, *points], parameters=parameters)
    return rescore(run, pulled(run, 0.6), environment=elsewhere(run), parameters=parameters)


def elsewhere(run: Run) -> dict[str, Any]:
    environment = {**run.record["environment"], "cpu": "Another"}
    return environment | {"packages": {**environment["packages"], "torch": "99.0"}}


def old_protocol(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    return write(run, spec={**run.spec, "protocol": 1})


# swapped query and gallery


def swapped_sides(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    half = run.record["split"]["test_images"]
    order = np.roll(np.arange(2 * half), half)
    return rescore(run, run.embeddings["embeddings"][order], run.embeddings["labels"][order])


def swapped_within_classes(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """Swap queries with gallery images of their own class, so that labels stay."""
    run = one_of(runs, random)
    labels, half = run.embeddings["labels"], run.record["split"]["test_images"]
    embeddings = run.embeddings["embeddings"].copy()
    for label in np.unique(labels):
        query = np.flatnonzero(labels[:half] == label)
        gallery = half + np.flatnonzero(labels[half:] == label)
        for one, other in zip(query, gallery, strict=False):
            embeddings[[one, other]] = embeddings[[other, one]]
    return rescore(run, embeddings)


# training on the test, and choosing by it


def trained_on_test(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    run = one_of(runs, random)
    source = pool.on_test_images(RunSpec(**run.spec))
    return transplant(source, run, first=run)


def best_epoch(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """The test scores of the step before the last that is best on the test images."""
    run = one_of(runs, random)
    found = [pool.early(RunSpec(**run.spec), steps) for steps in (4, 8)]
    best = max(found, key=lambda early: early.scores["recall@1"])
    return transplant_test(best, run)


def transplant_test(source: Run, target: Run) -> str:
    for path, arrays in {
        target.files.embeddings: source.embeddings,
        target.files.queries: source.queries,
    }.items():
        save_arrays(path, arrays, owner(target.directory))
    return write(target, scores=source.scores)


# duplicated seed


def pair_of_seeds(runs: list[Run]) -> tuple[Run, Run]:
    """Two runs of one method."""
    first = runs[0]
    [other, *_] = [
        run
        for run in runs
        if RunSpec(**run.spec).method_id == RunSpec(**first.spec).method_id and run is not first
    ]
    return first, other


def copied_seed(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    source, target = pair_of_seeds(runs)
    return transplant(source, target)


def blurred_seed(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """A copy with a little noise, and a start of its own."""
    return noisy_copy(runs, random, 1e-4)


def noisy_seed(folder: Path, runs: list[Run], pool: Pool, random: Random) -> str:
    """A copy with so much noise that it looks like another run, and the start of its seed."""
    return noisy_copy(runs, random, 0.2)


def noisy_copy(runs: list[Run], random: Random, share: float) -> str:
    source, target = pair_of_seeds(runs)
    start = load_run(target.files)
    start.curve, start.record["untrained"]
    parameters = {**source.record["parameters"], "sha256": random.bytes(32).hex()}
    transplant(source, target, first=start, parameters=parameters)
    made = load_run(RunDir(target.directory))
    points = [{**p, "loss": p["loss"] and p["loss"] * (1 + 1e-6)} for p in made.curve]
    write_curve(made, points)
    embeddings = source.embeddings["embeddings"]
    noise = random.normal(size=embeddings.shape) * share * np.abs(embeddings).mean()
    return rescore(load_run(RunDir(target.directory)), embeddings + noise)


FORGERIES = (
    Forgery("score", "NMI or AMI raised", "scores", raised_score),
    Forgery("score", "R@K or MAP@R raised", "stored run", raised_recall),
    Forgery("score", "accuracy raised", "training", raised_accuracy),
    Forgery("curve", "all validations halved", "start", curve_from_start),
    Forgery("curve", "final scores reached sooner", "training", faster_curve),
    Forgery("curve", "later scores raised, another processor", "training", excused_curve),
    Forgery("curve", "no seconds", "cost", timeless_curve),
    Forgery("embedding", "moved to class means", "scores", moved_embeddings),
    Forgery("embedding", "moved to class means, scored again", "training", rescored_embeddings),
    Forgery("label", "those of neighbors, scored again", "scores", labels_of_neighbors),
    Forgery("label", "mixed", "stored run", mixed_labels),
    Forgery("split", "another fingerprint", "split", other_fingerprint),
    Forgery("split", "hard test images left out, scored again", "scores", fewer_images),
    Forgery("seed", "another seed's run", "start", other_seed),
    Forgery("seed", "another seed's run, own start", "training", other_seed_hidden),
    Forgery("seed", "another number in the record", "suite", seed_of_record),
    Forgery("version", "one that cannot be", "version", impossible_version),
    Forgery("version", "another, to explain a score", "scores", excused_score),
    Forgery("version", "another, to explain embeddings", "training", excused_embeddings),
    Forgery("version", "another, to explain a whole training", "training", excused_training),
    Forgery("version", "another protocol", "stored run", old_protocol),
    Forgery("swapped query and gallery", "as they are", "scores", swapped_sides, True),
    Forgery(
        "swapped query and gallery", "class by class", "training", swapped_within_classes, True
    ),
    Forgery("test images in training", "", "training", trained_on_test),
    Forgery("best epoch picked on the test set", "", "training", best_epoch),
    Forgery("duplicated seed", "a copy", "seeds", copied_seed),
    Forgery("duplicated seed", "little noise, own start", "seeds", blurred_seed),
    Forgery("duplicated seed", "much noise, own start", "training", noisy_seed),
)
KINDS = tuple(dict.fromkeys(forgery.kind for forgery in FORGERIES))
