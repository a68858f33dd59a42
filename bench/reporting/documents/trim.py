"""`python -m bench.reporting.documents.trim RESULTS`: keep what the report and the browser need of
results that are committed or sent: no networks, embeddings and histories; of one seed ten neighbors
of each query, the digests of the training, and a map."""

import sys
from pathlib import Path

from bench.reporting.projection import tsne_map
from bench.store.contents import PER_NEIGHBOR
from bench.store.maps import load_map, save_map
from bench.store.runs import (
    Run,
    RunDir,
    digest_of,
    load_run,
    read_runs,
    save_arrays,
    scan,
    write_record,
)
from bench.tuning.outcomes import read_test, write_test
from bench.tuning.search import search_folders

NEIGHBORS = 10  # of each query


def trim(results: Path) -> None:
    """Leave these files out of every run and trial, and out of its `run.json`.

    Raises: StoredRunError if a run or a trial is damaged.
    """
    runs, problems = scan(results)
    folders = [path for found in search_folders(results) for path in sorted(found.glob("runs/*"))]
    trials, damaged = read_runs(map(RunDir, folders), purpose="trial")
    if problems or damaged:
        raise (problems + damaged)[0]
    for run in runs:
        if is_shown(run) and run.keeps_embeddings:
            save_map(results, run, load_map(results, run) or tsne_map(run.embeddings["embeddings"]))
        leave_out(run)
    for pictures in results.glob("pictures/*-validation.npz"):  # of histories
        pictures.unlink()
    for trial in trials:
        scores = read_test(trial)
        leave_out(trial)
        if scores:  # they name the digest of run.json, which is another one now
            write_test(load_run(trial.files, "trial"), scores)


def is_shown(run: Run) -> bool:
    """Whether the browser shows the neighbors of the run."""
    return not run.spec["seed"]


def leave_out(run: Run) -> None:
    """First in `run.json`, so that a kill leaves a run that can be read, but for the moment between
    its neighbors and `run.json`."""
    files = run.files
    unneeded = {files.embeddings.name, files.history.name, files.model.name} | (
        set() if is_shown(run) else {files.queries.name, files.chain.name}
    )
    kept = {name: digest for name, digest in run.digests.items() if name not in unneeded}
    if files.queries.name in kept:
        shorten(run)
        kept[files.queries.name] = digest_of(files.queries)
    write_record(files, {**run.record, "files": kept})
    for name in unneeded:
        (files.path / name).unlink(missing_ok=True)


def shorten(run: Run) -> None:
    """Keep the first neighbors of each query."""
    arrays = {
        name: array[:, :NEIGHBORS] if name in PER_NEIGHBOR else array
        for name, array in run.queries.items()
    }
    owner = {"spec_id": run.spec_id, "fingerprint": run.record["split"]["fingerprint"]}
    save_arrays(run.files.queries, arrays, owner)


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
