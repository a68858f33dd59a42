"""What was seen on one data set, in plain words, from its numbers and no stronger than they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.reporting.convergence import Speed
from bench.reporting.groups import Group
from bench.reporting.stats import PairedDifference, paired_difference

COMPARED = ("recall@1", "map@r", "nmi")
FEW = 6  # pairs below which no permutation test can reach p < 0.05


@dataclass(frozen=True)
class Comparison:
    """Two methods on one test score; `difference` is None where they share no seed."""

    first: str
    second: str
    metric: str
    difference: PairedDifference | None


def compare(groups: Sequence[Group], metric: str) -> list[Comparison]:
    """Every pair of methods, the one with the higher mean first, on the seeds both have."""
    values = {
        group.method: {
            seed: run.scores[metric] for seed, run in zip(group.seeds, group.runs, strict=True)
        }
        for group in groups
        if all(metric in run.scores for run in group.runs)
    }
    order = sorted(values, key=lambda method: (-mean(values[method]), method))
    return [
        Comparison(first, second, metric, shared_difference(values[first], values[second]))
        for first, second in combinations(order, 2)
    ]


def mean(by_seed: Mapping[int, float]) -> float:
    return sum(by_seed.values()) / len(by_seed)


def shared_difference(
    first: Mapping[int, float], second: Mapping[int, float]
) -> PairedDifference | None:
    return paired_difference(first, second) if first.keys() & second.keys() else None


def sentences(groups: Sequence[Group], speeds: Sequence[Speed]) -> list[str]:
    """What was seen: best mean R@1, what paired differences support it, who is first, caution."""
    comparisons = compare(groups, "recall@1")
    lead = [item for item in comparisons if item.first == comparisons[0].first]
    found = [best_sentence(groups), *(lead_sentences(lead)), *speed_sentences(speeds)]
    pairs = [len(item.difference.seeds) for item in lead if item.difference]
    if pairs and min(pairs) < FEW:
        found.append(
            f"With {count(min(pairs), 'seed')} this is an indication, not a proof: below {FEW} "
            "pairs no permutation test can reach p < 0.05."
        )
    return found


def best_sentence(groups: Sequence[Group]) -> str:
    """The method, or methods, with the highest mean R@1 on the test split."""
    means = {group.method: mean(dict(enumerate(recalls(group)))) for group in groups}
    best = max(means.values())
    names = sorted(method for method in means if means[method] == best)
    runs = sum(len(group.runs) for group in groups if group.method == names[0])
    over = "in its one run" if runs == 1 else f"as a mean over {runs} seeds"
    if len(groups) == 1:
        return f"{names[0]} reaches R@1 {100 * best:.1f} % on the test split {over}."
    shared = " and ".join(names)
    verb = "has" if len(names) == 1 else "share"
    return f"{shared} {verb} the highest R@1 on the test split, {100 * best:.1f} % {over}."


def recalls(group: Group) -> list[float]:
    return [run.scores["recall@1"] for run in group.runs]


def lead_sentences(lead: Sequence[Comparison]) -> list[str]:
    """Which of the leader's paired differences exclude 0, and which do not."""
    tested = [item for item in lead if item.difference and item.difference.interval.n > 1]
    clear = [
        item for item in tested if item.difference and item.difference.interval.excludes_zero()
    ]
    open_ = [item for item in tested if item not in clear]
    found = []
    if clear:
        found.append(
            f"Paired by seed, the 95 % interval of its lead excludes 0 over {listed(clear)}."
        )
    if open_:
        found.append(
            f"The interval of its lead over {listed(open_)} does not exclude 0: "
            "these runs do not tell them apart."
        )
    if len(tested) < len(lead):
        found.append("Where two methods share fewer than two seeds, nothing can be said of chance.")
    return found


def listed(items: Sequence[Comparison]) -> str:
    """`A (2.1 ± 0.5 points) and B (...)`."""
    return " and ".join(f"{item.second} ({points(item.difference)})" for item in items)


def points(difference: PairedDifference | None) -> str:
    """A paired difference in percentage points."""
    if difference is None:
        return "no common seed"
    half = difference.interval.half
    mean_points = f"{100 * difference.interval.mean:.1f}"
    return f"{mean_points} points" if half is None else f"{mean_points} ± {100 * half:.1f} points"


def speed_sentences(speeds: Sequence[Speed]) -> list[str]:
    """Who needs the fewest steps to 95 % of the own plateau, if more than one method got there."""
    costs = {
        speed.method: speed.own["step"].mean.mean
        for speed in speeds
        if speed.metric == "recall@1" and speed.own["step"].mean
    }
    if len(costs) < 2:
        return []
    first, second = sorted(costs, key=lambda method: (costs[method], method))[:2]
    return [
        f"On the validation part, {first} is the first to come to 95 % of its own final "
        f"R@1, after {costs[first]:.0f} steps on average; {second} follows after "
        f"{costs[second]:.0f}. Plateaus differ in height, see the table for a common target."
    ]


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
