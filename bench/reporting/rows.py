"""Rows of result tables: per method and data set, every score as a mean over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.reporting.groups import Group, group_runs
from bench.reporting.stats import Interval, mean_interval
from bench.store.runs import Run

HEADINGS = {
    "recall@1": "R@1",
    "recall@2": "R@2",
    "recall@4": "R@4",
    "recall@8": "R@8",
    "map@r": "MAP@R",
    "nmi": "NMI",
    "ami": "AMI",
    "r_precision": "R-Precision",
    "coarse_recall@1": "R@1, super-class",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "map": "mAP",
    "map_trapezoidal": "mAP, trapezoidal",
    "accuracy_neighbor": "Nearest neighbour",
    "accuracy_mean": "Class mean",
    "accuracy_proxy": "Proxy or center",
    "tar@0.01": "TAR at FAR 1e-2",
    "tar@0.001": "TAR at FAR 1e-3",
    "tar@0.0001": "TAR at FAR 1e-4",
    "eer": "EER",
    "5-way 1-shot": "5-way 1-shot",
    "5-way 5-shot": "5-way 5-shot",
    "20-way 1-shot": "20-way 1-shot",
    "20-way 5-shot": "20-way 5-shot",
    "one_shot_error": "Error in Lake's runs",
}  # score -> how it is called
LOWER = ("eer", "one_shot_error")  # scores of which less is better
RETRIEVAL = ("recall@1", "recall@2", "recall@4", "recall@8", "map@r", "nmi")
# Tables of a data set by title; those of which its protocol has no score are left out.
FAMILIES = {
    "Retrieval": RETRIEVAL,
    "Re-identification": ("recall@1", "recall@5", "recall@10", "map", "map_trapezoidal", "map@r"),
    "Classification": ("accuracy_neighbor", "accuracy_mean", "accuracy_proxy"),
    "Super-classes": ("coarse_recall@1",),
    "Verification": ("tar@0.01", "tar@0.001", "tar@0.0001", "eer"),
    "Few-shot episodes": (
        "5-way 1-shot",
        "5-way 5-shot",
        "20-way 1-shot",
        "20-way 5-shot",
        "one_shot_error",
    ),
}
UNTRAINED = "Untrained network"


@dataclass(frozen=True)
class Row:
    """One line of a table: scores (metric -> Interval of fractions 0..1) of a method over seeds.

    `loss` is the loss's name, or None for the network before training.
    """

    dataset: str
    split: str
    method: str
    loss: str | None
    seeds: tuple[int, ...]
    scores: Mapping[str, Interval]


def summarise(runs: Sequence[Run]) -> list[Row]:
    """Rows by data set and split: the methods in order of name, then the untrained network.

    Raises: ValueError naming two runs that must not be averaged or compared, or a run that lacks
    a score which another run of its group has.
    """
    return rows_of(group_runs(runs))


def rows_of(groups: Sequence[Group]) -> list[Row]:
    """As `summarise`, from groups."""
    tables: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        tables.setdefault(group.table, []).append(group)
    return [
        row
        for members in tables.values()
        for row in [method_row(group) for group in members] + untrained_rows(members)
    ]


def method_row(group: Group) -> Row:
    by_seed = {seed: run.scores for seed, run in zip(group.seeds, group.runs, strict=True)}
    metrics = [key for key in RETRIEVAL if any(key in run.scores for run in group.runs)]
    for run in group.runs:
        if missing := [key for key in metrics if key not in run.scores]:
            raise ValueError(
                f"{run.directory} lacks {', '.join(missing)}, which other seeds of "
                f"{group.method} have; delete it to run it again"
            )
    return make_row(group, group.method, group.loss, by_seed)


def untrained_rows(groups: Sequence[Group]) -> list[Row]:
    """One row per network of a table (nearly always one).

    Runs of one seed start from the same weights, so their scores count once: they are averaged
    within the seed before the interval is taken over seeds.
    """
    networks: dict[str, dict[int, list[Mapping[str, float]]]] = {}
    for run in [run for group in groups for run in group.runs if run.record.get("untrained")]:
        network = f"{run.spec['backbone']}, {run.spec['embedding_dim']} dimensions"
        seeds = networks.setdefault(network, {})
        seeds.setdefault(int(run.spec["seed"]), []).append(run.record["untrained"])
    return [
        make_row(
            groups[0],
            UNTRAINED if len(networks) == 1 else f"{UNTRAINED} ({network})",
            None,
            {seed: average(scores) for seed, scores in sorted(seeds.items())},
        )
        for network, seeds in sorted(networks.items())
    ]


def make_row(
    group: Group, method: str, loss: str | None, by_seed: Mapping[int, Mapping[str, float]]
) -> Row:
    """A row of the scores that every seed has."""
    scores = {
        key: mean_interval([scores[key] for scores in by_seed.values()])
        for key in HEADINGS
        if all(key in scores for scores in by_seed.values())
    }
    return Row(group.dataset, group.split, method, loss, tuple(by_seed), scores)


def average(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each score that all have."""
    shared = [key for key in HEADINGS if all(key in score for score in scores)]
    return {key: sum(score[key] for score in scores) / len(scores) for key in shared}


def split_tables(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of each (data set, split)."""
    tables: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        tables.setdefault((row.dataset, row.split), []).append(row)
    return tables


def families(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Titles and scores of the tables that rows of one data set fill: re-identification in place of
    plain retrieval, and otherwise those with a score of their own."""
    known = {key for row in rows for key in row.scores}
    first = "Re-identification" if "map" in known else "Retrieval"
    tables = {first: FAMILIES[first]}
    for title in ("Classification", "Super-classes", "Verification", "Few-shot episodes"):
        if keys := tuple(key for key in FAMILIES[title] if key in known):
            tables[title] = keys
    return tables
