"""Score tables: one row per method with means over seeds, as data and as cells of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from bench.metrics import describe, families, ordered, printed
from bench.reporting.groups import comparable_frame, show, trained
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.stats import Interval, mean_interval
from bench.reporting.statistics.verdicts import RULE, Rule, leaders
from bench.spec import NETWORK, NO_LOSS
from bench.store.runs import Run
from bench.suites.model import UNTRAINED, UNTRAINED_HEAD

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = "Retrieval"  # family whose scores all seeds of a method must have
PLUS_MINUS = (
    "mean ± half-width of the t-based 95 % confidence interval over n seeds, which may pass 0 and "
    "100; no interval for one seed, or for equal scores, which do not show what is chance"
)
NOTE = (
    f"Percent; {PLUS_MINUS}. Bold: the trained methods that are not shown to be worse than another "
    "one (paired t tests over seeds, {corrected} within each score)."
)
ONCE = "corrected for all pairs"
OFTEN = "repeated from {first} to {last} with alpha spending"  # as seeds were added
GAIN = "Gain over the pretrained features"
GAIN_NOTE = (
    "Gain: MAP@R minus that of the pretrained features of equal dimension (their principal "
    "components, where the network has a head), in percentage points."
)


@dataclass(frozen=True)
class Row:
    """Scores of one method over seeds: key -> Interval, for the scores that every seed has.

    `loss` is the loss's name, or None for a network before training. `gain` is the difference in
    MAP@R to the pretrained features of equal dimension, None where they were not scored. `leading`
    are the scores in which the method is not shown to be worse than another one, `looks` those of
    the rule by which that was judged.
    """

    dataset: str
    split: str
    method: str
    loss: str | None
    seeds: tuple[int, ...]
    scores: dict[str, Interval]
    gain: Interval | None = None
    leading: frozenset[str] = frozenset()
    looks: Looks | None = None


@dataclass(frozen=True)
class Line:
    """One line of a table for readers: (text, whether it is among the best) per column.

    `trained` is False for a network before training; `link` is the address of one run.
    """

    name: str
    cells: tuple[tuple[str, bool], ...]
    trained: bool = True
    link: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """One table for readers; console, Markdown, report and browser print this."""

    dataset: str
    split: str
    title: str
    note: str
    headings: tuple[str, ...]  # the first is that of the names
    lines: tuple[Line, ...]


def summarise(runs: Sequence[Run], rule: Rule = RULE) -> list[Row]:
    """Rows by data set and split: the methods in order of name, then what needs no training:
    pretrained features, their principal components, and the start of the methods.

    rule: of verdicts.
    Raises: ValueError naming two runs that must not be averaged or compared, or a run without a
    retrieval score that another seed of its method has.
    """
    keys = ordered(key for run in runs for key in run.scores)
    rows: list[Row] = []
    for _, members in comparable_frame(runs).groupby(["dataset", "split"]):
        features = members[members["loss"] == NO_LOSS].sort_values("embedding_dim", kind="stable")
        scores = feature_scores(features)
        best = leading_methods(trained(members), keys, rule)
        for method, seeds in trained(members).groupby("method"):
            check_complete(seeds, keys)
            loss, reference = str(seeds["loss"].iloc[0]), reference_of(seeds, scores)
            row = make_row(seeds, str(method), loss, keys, reference)
            leading = frozenset(key for key in row.scores if method in best.get(key, ()))
            rows.append(replace(row, leading=leading, looks=rule.looks))
        for method, same in features.groupby("method", sort=False):
            is_start = same["embedding_dim"].iloc[0] and same["head_init"].iloc[0] != "pca"
            reference = reference_of(same, scores) if is_start else None
            rows.append(make_row(same, str(method), None, keys, reference))
        rows += untrained_rows(trained(members), keys, scores)
    return rows


def leading_methods(
    members: "pd.DataFrame", keys: Sequence[str], rule: Rule
) -> dict[str, set[str]]:
    """Score -> the methods that are not shown to be worse than another one; counts have none.

    `members` are the runs with a loss of one data set and split.
    """
    return {
        key: leaders(
            members.pivot(index="seed", columns="method", values=key),
            rule,
            lower_is_better=describe(key).lower_is_better,
        )
        for key in keys
        if describe(key).percent and key in members
    }


def check_complete(runs: "pd.DataFrame", keys: Sequence[str]) -> None:
    """Refuse a run that lost a retrieval score."""
    required = [key for key in keys if describe(key).family == REQUIRED and runs[key].notna().any()]
    for _, run in runs.iterrows():
        if missing := [key for key in required if run.isna()[key]]:
            raise ValueError(
                f"{run['run']} has no {', '.join(missing)}, which other seeds of "
                f"{run['method']} have; delete its folder to run it again"
            )


def networks(runs: "pd.DataFrame") -> list[str]:
    """What decides the network of each run before training, as one text."""
    fields = runs.reindex(columns=list(NETWORK)).map(show)
    return [", ".join(values) for values in fields.itertuples(index=False)]


def feature_scores(features: "pd.DataFrame") -> dict[str, float]:
    """Network -> MAP@R of runs without training."""
    if "map@r" not in features:
        return {}
    scores = features.assign(network=networks(features)).groupby("network")["map@r"].mean()
    return dict(scores.dropna())


def reference_of(runs: "pd.DataFrame", features: Mapping[str, float]) -> float | None:
    """MAP@R of the pretrained features with the dimension of these runs, which share a network:
    their principal components where it has a head, whatever that starts at."""
    has_head = bool(runs["embedding_dim"].iloc[0])
    with_pca = runs.head(1).assign(head_init="pca") if has_head else runs
    return features.get(networks(with_pca)[0])


def untrained_rows(
    members: "pd.DataFrame", keys: Sequence[str], features: Mapping[str, float]
) -> list[Row]:
    """One row per network of a data set and split (nearly always one), except those that start at
    `features`, which have a row already.

    Runs of one seed start from the same weights, so they count once: they are averaged within the
    seed before the interval is taken over seeds.
    """
    before = {f"untrained.{key}": key for key in keys if f"untrained.{key}" in members}
    stored = members[members[list(before)].notna().any(axis=1)].drop(columns=list(keys))
    stored = stored.assign(network=networks(stored)).rename(columns=before)
    shown = stored[~stored["network"].isin(features)].sort_values(
        ["backbone", "embedding_dim"], kind="stable"
    )
    names = untrained_names(shown)
    rows = []
    for network, runs in shown.groupby("network", sort=False):
        complete = [key for key in before.values() if runs[key].notna().all()]
        means = runs.groupby(["seed", "dataset", "split"])[complete].mean().reset_index()
        reference = reference_of(runs, features)
        rows.append(make_row(means, names[str(network)], None, complete, reference))
    return rows


def untrained_names(runs: "pd.DataFrame") -> dict[str, str]:
    """Network -> name of its row, with what differs if there are several."""
    found = runs.drop_duplicates("network")
    others = found.reindex(columns=list(NETWORK)).drop(columns=["backbone", "embedding_dim"])
    varying = [field for field in others if others[field].nunique(dropna=False) > 1]
    names = {}
    for _, run in found.iterrows():
        has_weights = isinstance(run["weights_sha256"], str)
        name = UNTRAINED_HEAD if has_weights and run["embedding_dim"] else UNTRAINED
        parts = [f"{run['backbone']}, {run['embedding_dim']} dimensions"]
        parts += [f"{field.replace('_', ' ')} {show(run[field])}" for field in map(str, varying)]
        names[run["network"]] = name if len(found) == 1 else f"{name} ({', '.join(parts)})"
    return names


def make_row(
    runs: "pd.DataFrame",
    method: str,
    loss: str | None,
    keys: Sequence[str],
    reference: float | None = None,
) -> Row:
    """The row of one method; `runs` has one line per seed, `reference` is the MAP@R that its gain
    is measured against."""
    gains = [] if reference is None or "map@r" not in runs else list(runs["map@r"] - reference)
    return Row(
        str(runs["dataset"].iloc[0]),
        str(runs["split"].iloc[0]),
        method,
        loss,
        tuple(int(seed) for seed in runs["seed"]),
        {key: mean_interval(list(runs[key])) for key in keys if runs[key].notna().all()},
        mean_interval(gains) if gains else None,
    )


def score_tables(rows: Sequence[Row]) -> list[ScoreTable]:
    """The tables of each data set and split, one per family of scores; rows as from `summarise`."""
    return [
        family_table(members, family, keys)
        for _, group in groupby(rows, key=lambda row: (row.dataset, row.split))
        for members in [list(group)]
        for family, keys in families(key for row in members for key in row.scores).items()
    ]


def family_table(rows: Sequence[Row], family: str, keys: Sequence[str]) -> ScoreTable:
    """One family of scores of the rows of one data set and split."""
    gains = "map@r" in keys and any(row.gain for row in rows)
    return ScoreTable(
        rows[0].dataset,
        rows[0].split,
        family,
        f"{note(rows)} {GAIN_NOTE}" if gains else note(rows),
        ("Method", *(describe(key).heading for key in keys), *([GAIN] if gains else []), "n"),
        tuple(
            Line(
                row.method,
                (
                    *(mean_cell(row, key) for key in keys),
                    *([(points(row.gain) if row.gain else "–", False)] if gains else []),
                    (str(len(row.seeds)), False),
                ),
                trained=row.loss is not None,
            )
            for row in rows
        ),
    )


def note(rows: Sequence[Row]) -> str:
    """What is said below the tables of one data set and split."""
    looks = next((row.looks for row in rows if row.looks), None)
    often = OFTEN.format(first=looks.first, last=looks.last) if looks else ONCE
    return NOTE.format(corrected=often)


def mean_cell(row: Row, key: str) -> tuple[str, bool]:
    """The text of a score, and whether it is among the best; a dash without a score."""
    if key not in row.scores:
        return "–", False
    return mean_text(row.scores[key], key), key in row.leading


def mean_text(interval: Interval, key: str) -> str:
    """`74.1 ± 0.5`; no ± for one seed or equal scores."""
    half = f" ± {printed(key, interval.half)}" if interval.half else ""
    return printed(key, interval.mean) + half


def points(interval: Interval) -> str:
    """A difference in percentage points: `2.1 ± 0.5`; ± as in `mean_text`."""
    half = f" ± {100 * interval.half:.1f}" if interval.half else ""
    return f"{100 * interval.mean:z.1f}{half}".replace("-", "−")  # never −0.0
