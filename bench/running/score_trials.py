"""The test scores of trials, from their stored networks, once the choice among them is made.

They have no part in the choice; the report needs them for what a tuning budget buys on the test
split.
"""

from collections.abc import Sequence
from pathlib import Path

from bench.datasets.files.work import Report, quiet
from bench.running.processes import chunked, in_processes
from bench.store.runs import Run, RunDir, load_run
from bench.tuning.outcomes import other_data, read_test, write_test
from bench.tuning.search import Data

CHUNK = 8  # trials for which a data set is loaded once


def score_trials(
    runs: Sequence[Run], data_root: Path | None, device: str, jobs: int, report: Report
) -> None:
    """Score the trials that have no test scores yet, `jobs` at a time, each as soon as it can be.

    Raises: ValueError or OSError of the first that fails; the others' scores are kept.
    """
    missing = [run for run in runs if not run.record.get("diverged") and read_test(run) is None]
    report("scoring the test split", 0, len(missing))
    chunks = list(chunked(missing, CHUNK))
    tasks = [([run.directory for run in chunk], data_root, device) for chunk in chunks]
    done = 0
    for place, _ in in_processes(score_chunk, tasks, jobs):
        done += len(chunks[place])
        report("scoring the test split", done, len(missing))


def score_chunk(directories: Sequence[Path], data_root: Path | None, device: str) -> None:
    """Score the networks of trials on one data set and split, and store the scores.

    Raises: ValueError naming both sides if a trial was made on other images or another split.
    """
    import torch

    from bench.datasets import load
    from bench.evaluation.score_test import retrieval_scores
    from bench.training.inputs import embed
    from bench.training.loop import deterministic
    from bench.training.network import with_features
    from bench.training.stored_model import load_model

    runs = [load_run(RunDir(directory), "trial") for directory in directories]
    spec = load_model(runs[0].files.model).spec
    whole = load(spec.dataset, data_root, spec.split)
    loaded = whole.prepare(spec.resize, spec.crop, quiet, spec.interpolation)
    data = Data(fingerprint=loaded.fingerprint, checksum=loaded.checksum)
    positions = loaded.test_positions
    for run in runs:
        if text := other_data(run, data, "those here"):
            raise ValueError(text)
        run.check_files()
        stored = load_model(run.files.model)
        network = stored.network.to(torch.device(device))
        with deterministic():
            frozen = stored.spec.frozen == "backbone"
            dataset = with_features(stored.spec, loaded, network) if frozen else loaded
            embeddings = embed(network, dataset.images, positions)
            write_test(run, retrieval_scores(embeddings, dataset, positions)[0])
