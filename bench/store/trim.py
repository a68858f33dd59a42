"""`python -m bench.store.trim RESULTS`: keep what the report and the browser need of results that
are committed or sent: no embeddings, and the neighbors of one seed."""

import sys
from pathlib import Path

from bench.store.runs import Run, scan, write_record


def trim(results: Path) -> None:
    """Leave these files out of every run and out of its `run.json`.

    Raises: StoredRunError if a run is damaged.
    """
    runs, problems = scan(results)
    if problems:
        raise problems[0]
    for run in runs:
        leave_out(run)


def leave_out(run: Run) -> None:
    """First in `run.json`, so that a kill leaves a run that can be read."""
    files = run.files
    unneeded = {files.embeddings.name, files.model.name} | (
        {files.queries.name} if run.spec["seed"] else set()
    )
    kept = {name: digest for name, digest in run.digests.items() if name not in unneeded}
    write_record(files, {**run.record, "files": kept})
    for name in unneeded:
        (files.path / name).unlink(missing_ok=True)


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
