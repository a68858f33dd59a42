"""The search behind a suite that `tune` wrote, and whether suite, search and runs agree."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.reporting.tuning import Tuned
from bench.store.runs import Run
from bench.suites.model import Suite
from bench.suites.tuned import Tuning, check_tuned_data
from bench.tuning.outcomes import Outcome, read_outcomes
from bench.tuning.search import Search, read_search, search_folders


def tuned_of(
    suite: str, chosen: Suite, runs: Sequence[Run], results: Path
) -> tuple[Tuned | None, list[str]]:
    """The search behind a suite, and the problems with it. Its trials are beside the file of the
    suite, or in `results`.

    Raises: ValueError if runs are not on the images and split on which the search was.
    """
    tuning = chosen.tuning
    if tuning is None:
        return None, []
    for run in runs:
        split = run.record["split"]
        data = split["fingerprint"], run.record["data_checksum"]
        check_tuned_data(tuning, run.spec["dataset"], split["protocol"], *data)
    folder, search = search_of(suite, tuning, results)
    outcomes: list[Outcome] = []
    problems: list[str] = []
    if search and search.digest != tuning.search:
        problems.append(
            f"{suite} was chosen from the search {tuning.search[:12]}, and that in {folder} is "
            f"{search.digest[:12]}, perhaps with more trials; run `tune` again"
        )
    elif search:
        outcomes, problems = read_outcomes(folder, search)
        problems += contradictions(tuning, outcomes)
    return Tuned(tuning, tuple(chosen.edited), tuple(outcomes)), problems


def search_of(suite: str, tuning: Tuning, results: Path) -> tuple[Path, Search | None]:
    """The folder of a suite's search, and the search if it is stored.

    Raises: ValueError if a search beside the file of the suite cannot be read or was changed.
    """
    beside = Path(suite.removesuffix(".toml"))
    found = read_search(beside) if suite.endswith(".toml") else None
    if found:
        return beside, found
    for folder in search_folders(results):
        with suppress(ValueError):  # a damaged one of another suite
            search = read_search(folder)
            if search and search.digest == tuning.search:
                return folder, search
    return beside, None


def contradictions(tuning: Tuning, outcomes: Sequence[Outcome]) -> list[str]:
    """Choices of a suite file that are not the best trials of its search."""
    found = []
    for outcome in outcomes:
        searched, best = outcome.searched, outcome.best
        said = tuning.budgets[searched.budget].methods.get(searched.method)
        if said and (said.trial, said.run) != (best.number, best.run.spec_id):
            found.append(
                f"{searched.method} on {searched.budget}: the suite says trial {said.trial} "
                f"({said.run}), and the best of the search is trial {best.number} "
                f"({best.run.spec_id}); run `tune` again"
            )
    return found
