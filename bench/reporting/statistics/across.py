"""Methods across data sets: the data sets are the units, and there are mostly too few for a proof.

Ranks and shares describe these data sets. To say more of others, a sign test of two methods has as
many signs as there are data sets, however many seeds and images each has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.datasets import photographs_of
from bench.reporting.groups import trained
from bench.reporting.statistics.stats import ROUNDING, least_sign_flip_p

if TYPE_CHECKING:
    import pandas as pd

SCORE = "recall@1"
WITHIN = (0.0, 0.005, 0.02, 0.05)  # of the best R@1 of a data set
DIGITS = 12  # of a mean, after which equal ones are equal
ENOUGH = 9  # data sets, with which a sign test reaches p < 0.05 even if one of them disagrees


@dataclass(frozen=True)
class Across:
    """One line per method. mean_rank, from 1; win_rate, the share of (data set, other method) that
    it beats, where a tie is half; profile, of each of `WITHIN` the share of data sets on which it
    is at most that far below the best."""

    method: str
    mean_rank: float
    win_rate: float
    profile: tuple[float, ...]


def across(table: "pd.DataFrame") -> tuple[list[Across], int]:
    """The methods that every data set has, the lowest mean rank first, and the number of data sets;
    no line if there are fewer than two of either.

    table: a row per run, as from `comparable_frame`. Splits of one data set, and data sets of the
    same photographs, are averaged: they share images, so they are one unit, see `units_of`.
    """
    methods = trained(table)
    split = methods.groupby(["dataset", "split", "method"])[SCORE].mean().unstack("method")
    units = split.dropna(axis="columns").rename(units_of(table), level="dataset")
    scores = units.groupby("dataset").mean().round(DIGITS)
    if len(scores) < 2 or scores.shape[1] < 2:
        return [], len(scores)
    ranks = scores.rank(axis="columns", ascending=False).mean()
    gap = scores.rsub(scores.max(axis="columns"), axis="index").round(DIGITS)
    lines = [
        Across(
            str(method),
            float(ranks[method]),
            float((scores.shape[1] - ranks[method]) / (scores.shape[1] - 1)),
            tuple(float((gap[method] <= within).mean()) for within in WITHIN),
        )
        for method in ranks.sort_values(kind="stable").index
    ]
    return lines, len(scores)


def units_of(table: "pd.DataFrame") -> dict[str, str]:
    """Data set -> the one that it is counted as. Data sets of the same photographs are one: known
    ones by name, others where the checksum of all their images is equal; those that share a part of
    their images are not recognised."""
    units = {str(name): photographs_of(str(name)) for name in table["dataset"].unique()}
    if "data_checksum" not in table:
        return units
    for _, names in table.groupby("data_checksum")["dataset"]:
        same = {units[name] for name in names}
        units = {name: min(same) if unit in same else unit for name, unit in units.items()}
    return units


def across_sentence(lines: Sequence[Across], count: int) -> str:
    """How little so many data sets can prove; empty without lines."""
    if not lines:
        return ""
    pairs = len(lines) * (len(lines) - 1) // 2
    lowest = lines[0].mean_rank
    best = [line.method for line in lines if abs(line.mean_rank - lowest) < ROUNDING]
    verb = "has" if len(best) == 1 else "share"
    sentence = (
        f"Across data sets, {' and '.join(best)} {verb} the lowest mean rank in R@1, {lowest:.1f} "
        f"of the {len(lines)} methods that all {count} data sets have."
    )
    least = (
        f"a sign test of two methods cannot fall below p = {least_sign_flip_p(count):.2g} with "
        f"{count} data sets, even if one wins on all of them"
    )
    if count >= ENOUGH:
        return f"{sentence} For other data sets, {least}; there are {pairs} pairs to correct for."
    return (
        f"{sentence} That proves nothing of other data sets: {least}; "
        f"6 are needed for p < 0.05, and {ENOUGH} if it loses on one."
    )
