"""Suites whose stored runs are read, for which their weights need not be here."""

from contextlib import suppress
from pathlib import Path

from bench.store.runs import StoredRunError, directories, load_run
from bench.suites import SuiteError, load_suite
from bench.suites.model import Suite


def suite_to_read(name: str, results: Path) -> Suite:
    """A suite whose stored runs are read, for which its weights need not be here.

    Raises: SuiteError for other mistakes.
    """
    try:
        return load_suite(name)
    except SuiteError:
        return load_suite(name, stored=stored_digests(results))


def stored_digests(results: Path) -> dict[tuple[str, str], set[str]]:
    """Digests of the weights of stored runs, by backbone and where the weights were found."""
    found: dict[tuple[str, str], set[str]] = {}
    for files in directories(results):
        with suppress(StoredRunError):  # which the report names
            spec = load_run(files).spec
            if digest := spec.get("weights_sha256"):
                found.setdefault((spec["backbone"], spec["weights"]), set()).add(digest)
    return found
