"""The scores whose cost is measured: ten between the untrained network and the best method's end.

`targets.toml` freezes those of the published suites, so that costs stay comparable when methods are
added. Everything else, such as one's own photographs, takes the targets of the runs at hand; the
report says which. `python -m bench.reporting.targets RESULTS` prints the tables for `targets.toml`.
"""

import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.reporting.convergence import SCORES, mean_finals, read_curves
from bench.reporting.groups import comparable_frame
from bench.spec import PROTOCOL
from bench.store.runs import scan

if TYPE_CHECKING:
    import pandas as pd

COUNT = 10
KEY = ("dataset", "split", "backbone", "metric")
FILE = files("bench.reporting") / "targets.toml"


@dataclass(frozen=True)
class Targets:
    """Rising scores in 0..1, and in words where they come from."""

    scores: tuple[float, ...]
    source: str


def find_targets(curves: "pd.DataFrame", metric: str) -> Targets | None:
    """The frozen targets of one data set, split and network, or else those of these curves; None
    where no method ends above the untrained network."""
    first = curves.iloc[0]
    for table in frozen():
        if all(table[field] == first.get(field, metric) for field in KEY):
            return Targets(tuple(table["scores"]), f"frozen: {table['source']}")
    scores = spread(curves, metric)
    return Targets(scores, "of the runs at hand") if scores else None


def spread(curves: "pd.DataFrame", metric: str) -> tuple[float, ...]:
    """Ten equal steps from the mean untrained score up to the highest mean final score."""
    start = float(curves.groupby("run")[metric].first().mean())
    best = float(mean_finals(curves, metric).max())
    if best <= start:
        return ()
    return tuple(start + (best - start) * k / COUNT for k in range(1, COUNT + 1))


@cache
def frozen() -> tuple[dict[str, Any], ...]:
    """The tables of `targets.toml`.

    Raises: ValueError, naming both, if they are of another protocol than this program.
    """
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    if content["protocol"] != PROTOCOL:
        raise ValueError(
            f"targets.toml is of protocol {content['protocol']}, this program is of {PROTOCOL}: "
            "freeze the targets again by python -m bench.reporting.targets RESULTS"
        )
    return tuple(content.get("targets", ()))


def freeze(results: Path) -> str:
    """`targets.toml` for the runs of a results folder: one table per network, split and score."""
    runs, _ = scan(results)
    table = comparable_frame(runs)
    curves, _ = read_curves(runs, dict(zip(table["run"], table["method"], strict=True)))
    parts = [f"protocol = {PROTOCOL}\n"]
    for values, members in curves.groupby(list(KEY[:-1])):
        for metric in SCORES:
            fields = dict(zip(KEY, (*values, metric), strict=True))
            source = f"{members['run'].nunique()} runs of {members['method'].nunique()} methods"
            scores = ", ".join(f"{score:.6f}" for score in spread(members, metric))
            lines = [f'{key} = "{value}"' for key, value in {**fields, "source": source}.items()]
            parts.append("\n".join(["[[targets]]", *lines, f"scores = [{scores}]\n"]))
    return "\n".join(parts)


if __name__ == "__main__":
    print(freeze(Path(sys.argv[1])), end="")
