"""The scores whose cost is measured: ten between the untrained network and the best method's end.

`targets.toml` freezes those of the published suites, so that costs stay comparable when methods are
added; the best method is then the best tuned one. Everything else, such as one's own photographs,
takes the targets of the runs at hand; the report says which.
`python -m bench.reporting.cost.targets RESULTS...` prints `targets.toml` for the runs in these
folders that have the values which a search in `RESULTS/tuning` chose.
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.metrics import describe
from bench.reporting.cost.convergence import SCORES, mean_finals, read_curves
from bench.reporting.groups import comparable_frame
from bench.spec import PROTOCOL, id_of
from bench.store.runs import Run, scan
from bench.tuning.outcomes import read_outcomes
from bench.tuning.search import read_search, search_folders

if TYPE_CHECKING:
    import pandas as pd

COUNT = 10
TEST = ["dataset", "split", "backbone"]  # on which targets depend
IDENTITY = {"protocol": "version of the protocol", "fingerprint": "fingerprint of the split"}
FILE = files("bench.reporting.cost") / "targets.toml"
FROZEN = "frozen:"
OF_THESE_RUNS = (
    "made from these runs, between the untrained network's score and the highest mean final one; "
    "other methods would change them"
)
OF_ONE_PART = "; the frozen ones are those of one validation part, and here the split varies"


@dataclass(frozen=True)
class Targets:
    """Rising scores in 0..1; in words where they come from; and why frozen ones were refused."""

    scores: tuple[float, ...]
    source: str
    refused: str = ""

    @property
    def frozen(self) -> bool:
        """Whether they are those of `targets.toml`."""
        return self.source.startswith(FROZEN)

    @property
    def middle(self) -> int:
        """Position of the target that sentences and prices name."""
        return len(self.scores) // 2


def find_targets(curves: "pd.DataFrame", metric: str) -> Targets | None:
    """The frozen targets of one data set, split and network, or else those of these curves; None
    where no method ends above the untrained network.

    curves: from `bench.reporting.cost.convergence.read_curves`. Frozen targets of another protocol
    version or split are refused, and are not used where each run drew its own validation part.
    """
    first = curves.iloc[0]
    own = Targets(spread(curves, metric), OF_THESE_RUNS)
    for table in frozen():
        of_test = (curves[TEST] == [table[field] for field in TEST]).all(axis=None)
        if of_test and table["metric"] == metric:
            if curves["drawn_validation"].any():
                own = replace(own, source=OF_THESE_RUNS + OF_ONE_PART)
                break
            refused = refusal(table, first)
            if not refused:
                return Targets(tuple(table["scores"]), f"{FROZEN} {table['source']}")
            own = replace(own, refused=refused)
    return own if own.scores else None


def refusal(table: Mapping[str, Any], first: "pd.Series[Any]") -> str:
    """Why frozen targets are not those of the test that these curves were made on, if so."""
    for field, words in IDENTITY.items():
        if table[field] != first[field]:
            sides = (str(side[field])[:12] for side in (table, first))
            return (
                f"{first['dataset']}, {first['split']} split: the frozen targets of "
                f"{describe(table['metric']).heading} have {' and these runs '.join(sides)} as "
                f"{words}; the frozen ones are not used, targets are made from these runs"
            )
    return ""


def spread(curves: "pd.DataFrame", metric: str) -> tuple[float, ...]:
    """Ten equal steps from the mean untrained score up to the highest mean final score."""
    start = float(curves.groupby("run")[metric].first().mean())
    best = float(mean_finals(curves, metric).max())
    if best <= start:
        return ()
    return tuple(start + (best - start) * k / COUNT for k in range(1, COUNT + 1))


@cache
def frozen() -> tuple[dict[str, Any], ...]:
    """The tables of `targets.toml`, each with the protocol version of all."""
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple({**table, "protocol": content["protocol"]} for table in content.get("targets", ()))


def freeze(folders: Iterable[Path]) -> str:
    """`targets.toml` for the tuned runs of results folders: one table per split, network and score.

    Raises: ValueError if a run or a trial is damaged, or if a folder has no tuned run.
    """
    runs, trials = tuned_runs(folders)
    table = comparable_frame(runs)
    curves, problems = read_curves(runs, dict(zip(table["run"], table["method"], strict=True)))
    if problems:
        raise ValueError(problems[0])
    parts = [f"protocol = {PROTOCOL}\n"]
    for values, members in curves.groupby(["dataset", "split", "backbone", "fingerprint"]):
        names = "dataset", "split", "backbone", "fingerprint"
        fields = dict(zip(names, map(str, values), strict=True))
        source = (
            f"between the untrained network's score and the final one of the best of "
            f"{members['method'].nunique()} tuned methods (trials: {trials}), of "
            f"{members['run'].nunique()} runs"
        )
        for metric in SCORES:
            if scores := spread(members, metric):
                parts.append(toml_table({**fields, "metric": metric, "source": source}, scores))
    return "\n".join(parts)


def toml_table(fields: Mapping[str, str], scores: Iterable[float]) -> str:
    """One table of `targets.toml`."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    numbers = ", ".join(f"{score:.6f}" for score in scores)
    return "\n".join(["[[targets]]", *lines, f"scores = [{numbers}]\n"])


def tuned_runs(folders: Iterable[Path]) -> tuple[list[Run], str]:
    """The runs with values that a search beside them chose, and the numbers of trials.

    Raises: ValueError as `freeze`.
    """
    found: list[Run] = []
    trials: set[int] = set()
    for folder in folders:
        runs, problems = scan(folder)
        if problems:
            raise problems[0]
        chosen = chosen_trials(folder)
        tuned = [run for run in runs if is_chosen(run, chosen)]
        if not tuned:
            raise ValueError(
                f"{folder}: none of its {len(runs)} runs has values that one of the searches in "
                f"{folder / 'tuning'} chose, and targets lie below the best tuned loss; give the "
                "results of a suite that `proxy-bench tune` wrote, with its search"
            )
        found += tuned
        trials |= {count for _, count in chosen.values()}
    return found, ", ".join(map(str, sorted(trials)))


def chosen_trials(results: Path) -> dict[str, tuple[int, int]]:
    """Id of each trial that was chosen -> seed of its search, and of how many trials.

    Raises: ValueError if a search or one of its trials is missing or damaged.
    """
    chosen = {}
    for folder in search_folders(results):
        search = read_search(folder)
        assert search
        outcomes, problems = read_outcomes(folder, search)
        if problems:
            raise ValueError(f"{folder}: {problems[0]}")
        for outcome in outcomes:
            chosen[outcome.best.run.spec_id] = search.seed, search.trials
    return chosen


def is_chosen(run: Run, chosen: Mapping[str, tuple[int, int]]) -> bool:
    """Whether a run differs from a chosen trial in its seed alone."""
    return any(
        id_of({**run.spec, "seed": seed, "purpose": "trial"}) == name
        for name, (seed, _) in chosen.items()
    )


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit("give the folders of results: python -m bench.reporting.cost.targets RESULTS...")
    try:
        print(freeze(map(Path, arguments)), end="")
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
