"""Data sets: one file each and one line each in DATASETS; ``load`` by name."""

import difflib
from pathlib import Path

from bench.datasets.base import Dataset, Split, class_disjoint
from bench.datasets.digits import DIGITS
from bench.datasets.glyphs import GLYPHS
from bench.datasets.source import Download, Progress, Source

__all__ = [
    "DATASETS",
    "Dataset",
    "Download",
    "Progress",
    "Source",
    "Split",
    "class_disjoint",
    "find",
    "load",
]

DATASETS: dict[str, Source] = {
    "digits": DIGITS,
    "glyphs": GLYPHS,
}


def find(name: str) -> Source:
    """The data set of that name; ValueError with the nearest and all names where there is none."""
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no data set named {name!r}.{hint} There are: {', '.join(DATASETS)}")
    return DATASETS[name]


def load(name: str, root: Path | None, protocol: str) -> Dataset:
    """Load a data set under a protocol and check that its split is the pinned one.

    ``root`` is the data root; where it is None the environment variable PROXY_BENCH_DATA is used,
    and embedded data sets need neither. Raises ValueError for an unknown name or protocol, for
    damaged files, for a split which is not the pinned one; FileNotFoundError for missing data.
    """
    source = find(name)
    if protocol not in source.protocols:
        close = difflib.get_close_matches(protocol, source.protocols, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"{name} has no protocol {protocol!r}.{hint} There are: {', '.join(source.protocols)}"
        )
    dataset = source.load(root, protocol)
    expected = source.fingerprints[protocol]
    if dataset.fingerprint != expected:
        raise ValueError(
            f"the {protocol} split of {name} is not the pinned one: found fingerprint "
            f"{dataset.fingerprint}, expected {expected}; "
            f"`proxy-bench data verify {name}` says more"
        )
    return dataset
