"""What was found on one data set, in sentences that claim no more than the numbers support."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from bench.reporting.convergence import Speed
from bench.reporting.rows import points
from bench.reporting.stats import PairedDifference, paired_difference

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ("recall@1", "map@r", "nmi")
START = "untrained.recall@1"
FEW = 6  # pairs below which no permutation test can reach p < 0.05


@dataclass(frozen=True)
class Comparison:
    """Two methods on the test scores of `COMPARED`, the one with the higher mean R@1 first.

    `differences` holds first minus second of each score that both have, paired by seed.
    """

    first: str
    second: str
    differences: Mapping[str, PairedDifference]


def compare(members: "pd.DataFrame") -> list[Comparison]:
    """Every pair of methods with a common seed, in falling order of mean R@1.

    `members` are the rows of one data set and split of `comparable_frame`.
    """
    scores = {
        key: members.pivot(index="seed", columns="method", values=key)
        for key in COMPARED
        if key in members
    }
    found = []
    for first, second in combinations(by_recall(members).index, 2):
        paired = {key: (table[first] - table[second]).dropna() for key, table in scores.items()}
        differences = {key: paired_difference(list(d)) for key, d in paired.items() if len(d)}
        if "recall@1" in differences:
            found.append(Comparison(first, second, differences))
    return found


def by_recall(members: "pd.DataFrame") -> "pd.Series[float]":
    """Method -> mean R@1 on the test split, best first."""
    means = members.groupby("method")["recall@1"].mean()
    return means.sort_values(ascending=False, kind="stable")


def sentences(members: "pd.DataFrame", speeds: Sequence[Speed]) -> list[str]:
    """Best mean R@1, which paired differences support it, who converges first, and cautions.

    `members` are the runs with a loss of one data set and split.
    """
    if members.empty:
        return ["Nothing was trained: these are the scores of networks as they start."]
    means = by_recall(members)
    best = list(means.index[means == means.max()])
    lead = [item for item in compare(members) if [item.first] == best]
    found = [best_sentence(members, best), *lead_sentences(lead), *untrained_sentences(members)]
    found += speed_sentences(speeds)
    pairs = [item.differences["recall@1"].interval.n for item in lead]
    if members.groupby("method").size().min() == 1:
        found.append("One seed does not show how much is due to chance.")
    elif pairs and min(pairs) < FEW:
        found.append(
            f"With {min(pairs)} seeds this is an indication, not a proof: below {FEW} "
            "pairs no sign-flip test of paired differences can reach p < 0.05."
        )
    return found


def best_sentence(members: "pd.DataFrame", best: Sequence[str]) -> str:
    """The methods with the highest mean; a single method is not called the best."""
    runs = members[members["method"] == best[0]]
    score = f"{100 * runs['recall@1'].mean():.1f} %"
    over = "in one run" if len(runs) == 1 else f"as a mean over {len(runs)} seeds"
    if members["method"].nunique() == 1:
        return f"{best[0]} reaches R@1 {score} on the test split {over}."
    verb = "has" if len(best) == 1 else "share"
    return f"{' and '.join(best)} {verb} the highest R@1 on the test split, {score} {over}."


def lead_sentences(lead: Sequence[Comparison]) -> list[str]:
    """Over which methods the interval of the best one's lead excludes 0, and over which not."""
    intervals = [(item, item.differences["recall@1"].interval) for item in lead]
    clear = [item for item, interval in intervals if interval.excludes_zero()]
    unclear = [item for item, interval in intervals if interval.n > 1 and item not in clear]
    found = []
    if clear:
        found.append(
            f"Paired by seed, the 95 % interval of its lead over {listed(clear)} excludes 0."
        )
    if unclear:
        found.append(
            f"{'For' if clear else 'Paired by seed, for'} its lead over {listed(unclear)} the "
            "95 % interval includes 0: these runs do not distinguish them."
        )
    return found


def untrained_sentences(members: "pd.DataFrame") -> list[str]:
    """Which methods end no better than the network was before training, if any does."""
    if START not in members:
        return []
    lost = members.loc[members[START].isna(), "method"]
    complete = members[~members["method"].isin(lost)]
    means = complete.groupby("method")[["recall@1", START]].mean()
    worse = means[means["recall@1"] <= means[START]]
    if worse.empty:
        return []
    methods = members["method"].nunique()
    start = f"{100 * worse[START].min():.1f} %"
    who = " and ".join(worse.index) if len(worse) < 4 else f"{len(worse)} of {methods} methods"
    who = "No method" if len(worse) == methods else who
    verb = "ends above" if len(worse) == methods else "did not end above"
    pretrained = "weights_sha256" in members and members["weights_sha256"].notna().all()
    before = "pretrained network before training" if pretrained else "untrained network"
    return [
        f"{who} {verb} the {before} (R@1 {start}): on these classes training did not "
        "help retrieval of unseen ones."
    ]


def listed(items: Sequence[Comparison]) -> str:
    """`A (2.1 ± 0.5 points) and B (...)`; only their number if there are four or more."""
    if len(items) > 3:
        return f"{len(items)} other methods (see the differences below)"
    return " and ".join(
        f"{item.second} ({points(item.differences['recall@1'].interval)} points)" for item in items
    )


def speed_sentences(speeds: Sequence[Speed]) -> list[str]:
    """Who first reaches the baseline's final R@1; if no one else does, who first nears its own."""
    rated = [speed for speed in speeds if speed.metric == "recall@1"]
    shared = {s.method: cost.mean for s in rated if (cost := s.shared["step"].mean)}
    own = sorted((cost.mean, s.method) for s in rated if (cost := s.own["step"].mean))
    baseline = rated[0].baseline if rated else ""
    others = sorted((cost, name) for name, cost in shared.items() if name != baseline)
    if others and others[0][0] == 0:  # reached before any training: not a speed
        return []
    if others:
        itself = f"{baseline} after {shared[baseline]:.0f} steps and " if baseline in shared else ""
        return [
            f"On the validation part, {baseline} ends at R@1 {100 * rated[0].target:.1f} %. That "
            f"is reached by {itself}{others[0][1]}, the first other method, after "
            f"{others[0][0]:.0f}, on average."
        ]
    if len(own) < 2:
        return []
    return [
        f"On the validation part, {own[0][1]} is the first to reach 95 % of its own final "
        f"R@1, after {own[0][0]:.0f} steps on average, but plateaus differ in height."
    ]
