"""What was seen on one data set, in plain words, from its numbers and no stronger than they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.reporting.convergence import Speed
from bench.reporting.groups import Group
from bench.reporting.stats import Interval, PairedDifference, paired_difference

COMPARED = ("recall@1", "map@r", "nmi")
FEW = 6  # pairs below which no permutation test can reach p < 0.05


@dataclass(frozen=True)
class Comparison:
    """Two methods on the test scores of `COMPARED`, the one with the higher mean R@1 first.

    `differences` holds first minus second of each score that both have, paired by seed.
    """

    first: str
    second: str
    differences: Mapping[str, PairedDifference]


def compare(groups: Sequence[Group]) -> list[Comparison]:
    """Every pair of methods that have a seed in common, in falling order of mean R@1."""
    order = sorted(groups, key=lambda group: (-mean(by_seed(group, "recall@1")), group.method))
    return [
        Comparison(
            first.method,
            second.method,
            {
                metric: paired_difference(by_seed(first, metric), by_seed(second, metric))
                for metric in COMPARED
                if by_seed(first, metric) and by_seed(second, metric)
            },
        )
        for first, second in combinations(order, 2)
        if set(first.seeds) & set(second.seeds)
    ]


def by_seed(group: Group, metric: str) -> dict[int, float]:
    """Seed -> test score; empty if the group's protocol does not have it."""
    return {
        seed: run.scores[metric]
        for seed, run in zip(group.seeds, group.runs, strict=True)
        if metric in run.scores
    }


def mean(values: Mapping[int, float]) -> float:
    return sum(values.values()) / len(values)


def sentences(groups: Sequence[Group], speeds: Sequence[Speed]) -> list[str]:
    """What was seen: best mean R@1, what paired differences support it, who is first, caution."""
    best = best_methods(groups)
    lead = [item for item in compare(groups) if [item.first] == best]
    found = [best_sentence(groups, best), *lead_sentences(lead), *untrained_sentences(groups)]
    found += speed_sentences(speeds)
    fewest = min((len(group.seeds) for group in groups), default=0)
    pairs = [item.differences["recall@1"].interval.n for item in lead]
    if fewest == 1:
        found.append("One seed says nothing about chance.")
    elif pairs and min(pairs) < FEW:
        found.append(
            f"With {min(pairs)} seeds this is an indication, not a proof: below {FEW} "
            "pairs no sign-flip test of paired differences can reach p < 0.05."
        )
    return found


def best_methods(groups: Sequence[Group]) -> list[str]:
    """The method, or methods, with the highest mean R@1 on the test split."""
    means = {group.method: mean(by_seed(group, "recall@1")) for group in groups}
    return [method for method in means if means[method] == max(means.values())]


def best_sentence(groups: Sequence[Group], best: Sequence[str]) -> str:
    """Names them with their mean; a lone method is not called the best."""
    group = next(group for group in groups if group.method == best[0])
    score = f"{100 * mean(by_seed(group, 'recall@1')):.1f} %"
    over = "in one run" if len(group.runs) == 1 else f"as a mean over {len(group.runs)} seeds"
    if len(groups) == 1:
        return f"{best[0]} reaches R@1 {score} on the test split {over}."
    verb = "has" if len(best) == 1 else "share"
    return f"{' and '.join(best)} {verb} the highest R@1 on the test split, {score} {over}."


def lead_sentences(lead: Sequence[Comparison]) -> list[str]:
    """Over whom the paired difference of the best method excludes 0, and over whom not."""
    tested = [item for item in lead if item.differences["recall@1"].interval.n > 1]
    clear = [item for item in tested if item.differences["recall@1"].interval.excludes_zero()]
    unclear = [item for item in tested if item not in clear]
    found = []
    if clear:
        found.append(
            f"Paired by seed, the 95 % interval of its lead over {listed(clear)} excludes 0."
        )
    if unclear:
        found.append(
            f"{'For' if clear else 'Paired by seed, for'} its lead over {listed(unclear)} the "
            "95 % interval includes 0: these runs do not tell them apart."
        )
    return found


def untrained_sentences(groups: Sequence[Group]) -> list[str]:
    """Which methods end no better than the network was before training, if any does."""
    before = {
        group.method: sum(run.record["untrained"]["recall@1"] for run in group.runs)
        / len(group.runs)
        for group in groups
        if all("recall@1" in run.record.get("untrained", {}) for run in group.runs)
    }
    worse = [
        group.method
        for group in groups
        if group.method in before and mean(by_seed(group, "recall@1")) <= before[group.method]
    ]
    if not worse:
        return []
    start = f"{100 * min(before[method] for method in worse):.1f} %"
    who = " and ".join(worse) if len(worse) < 4 else f"{len(worse)} of {len(groups)} methods"
    who = "No method" if len(worse) == len(groups) else who
    verb = "ends above" if len(worse) == len(groups) else "did not end above"
    return [
        f"{who} {verb} the untrained network (R@1 {start}): on these classes training did not "
        "help retrieval of unseen ones."
    ]


def listed(items: Sequence[Comparison]) -> str:
    """`A (2.1 ± 0.5 points) and B (...)`; from four on only how many."""
    if len(items) > 3:
        return f"{len(items)} other methods (see the differences below)"
    return " and ".join(
        f"{item.second} ({points(item.differences['recall@1'].interval)} points)" for item in items
    )


def points(interval: Interval) -> str:
    """A difference in percentage points: `2.1 ± 0.5`."""
    half = "" if interval.half is None else f" ± {100 * interval.half:.1f}"
    return f"{100 * interval.mean:.1f}{half}".replace("-", "−")


def speed_sentences(speeds: Sequence[Speed]) -> list[str]:
    """Who first reaches the baseline's final R@1; if nobody else does, who first nears its own."""
    rated = [speed for speed in speeds if speed.metric == "recall@1"]
    shared = {speed.method: speed.shared["step"].mean for speed in rated}
    own = {speed.method: speed.own["step"].mean for speed in rated}
    costs = {method: cost.mean for method, cost in shared.items() if cost}
    others = sorted((cost, name) for name, cost in costs.items() if name != rated[0].baseline)
    if others and others[0][0] == 0:  # before any training: no speed to speak of
        return []
    if others:
        baseline = rated[0].baseline
        itself = f"; {baseline} itself takes {costs[baseline]:.0f}" if baseline in costs else ""
        return [
            f"On the validation part, {others[0][1]} is the first other method to reach the mean "
            f"final R@1 of {baseline} ({100 * rated[0].target:.1f} %), after {others[0][0]:.0f} "
            f"steps on average{itself}."
        ]
    plateaus = sorted((cost.mean, name) for name, cost in own.items() if cost)
    if len(plateaus) < 2:
        return []
    return [
        f"On the validation part, {plateaus[0][1]} is the first to come to 95 % of its own final "
        f"R@1, after {plateaus[0][0]:.0f} steps on average, but plateaus differ in height."
    ]
