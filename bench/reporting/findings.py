"""What was found on one data set, in sentences that claim no more than the numbers support."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.datasets.splits import SHARING
from bench.reporting.cost.claim import claim_sentence
from bench.reporting.cost.cost_to_target import Convergence
from bench.reporting.groups import show, trained
from bench.reporting.rows import points
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.stats import (
    ROUNDING,
    Interval,
    PairedDifference,
    least_sign_flip_p,
    mean_interval,
    paired_difference,
)
from bench.reporting.statistics.verdicts import (
    ALPHA,
    RULE,
    Rule,
    Verdict,
    most_seeds,
    table_verdicts,
)
from bench.spec import NO_LOSS
from bench.tuning.outcomes import Outcome

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ("recall@1", "map@r", "nmi")
START = "untrained.recall@1"
STRICTER = "Each interval is of its pair alone; the verdicts are corrected for all pairs."
PROXY = "proxy"  # how the names of proxy losses begin
LEADS = {  # verdict on the method with the highest mean -> what is said of the others
    "better": "It is better than",
    "same": "Within {margin:g} points it is the same as",
    "undecided": "Undecided is its lead over",
    "worse": "Over the seeds that both have it is worse than",
}
TIED = {  # on one of several methods that share the highest mean
    "better": "{name} is better than",
    "same": "Within {margin:g} points {name} is the same as",
    "undecided": "Undecided is the difference between {name} and",
    "worse": "Over the seeds that both have {name} is worse than",
}
REVERSED = "By its first seeds, which decided the pair, {name} is worse than"
MOST_TIED = 3  # methods that share the highest mean, beyond which only their number is said


@dataclass(frozen=True)
class Comparison:
    """Two methods on the test scores of `COMPARED`, the one with the higher mean R@1 first.

    `differences` holds first minus second of each score that both have, paired by seed; `verdict`
    is that on R@1.
    """

    first: str
    second: str
    differences: Mapping[str, PairedDifference]
    verdict: Verdict


def compare(members: "pd.DataFrame", rule: Rule = RULE) -> list[Comparison]:
    """Every pair of methods with a common seed, in falling order of mean R@1.

    `members` are the rows of one data set and split of `comparable_frame`; `rule` is that of R@1.
    """
    scores = {
        key: members.pivot(index="seed", columns="method", values=key)
        for key in COMPARED
        if key in members
    }
    found = []
    for verdict in table_verdicts(scores["recall@1"], rule):
        first, second = verdict.first, verdict.second
        paired = {key: (table[first] - table[second]).dropna() for key, table in scores.items()}
        differences = {key: paired_difference(list(d)) for key, d in paired.items() if len(d)}
        found.append(Comparison(first, second, differences, verdict))
    return found


def by_recall(members: "pd.DataFrame") -> "pd.Series[float]":
    """Method -> mean R@1 on the test split, best first."""
    means = method_means(members, "recall@1")
    return means.sort_values(ascending=False, kind="stable")


def sentences(
    members: "pd.DataFrame",
    converged: Sequence[Convergence],
    rule: Rule = RULE,
    outcomes: Sequence[Outcome] = (),
) -> list[str]:
    """Best mean R@1, the verdicts on it and how certain they are, who converges first.

    `members` are the runs with a loss of one data set and split, `outcomes` the trials behind their
    values; `rule` is that of R@1.
    """
    found = verdict_sentences(members, rule)
    if members.empty:
        return found
    pairs = compare(members, rule)
    found += [
        growth_sentence(members, pairs, rule.looks) if rule.looks else "",
        "" if alone(members) else certain(pairs, rule),
        *map_sentences(members),
        *untrained_sentences(members),
        claim(members, converged, outcomes),
    ]
    return [sentence for sentence in found if sentence]


def verdict_sentences(members: "pd.DataFrame", rule: Rule = RULE) -> list[str]:
    """Best mean R@1 and the verdicts on it, or why there is none; arguments as of `sentences`."""
    if members.empty:
        return ["Nothing was trained: these are the scores of networks as they start."]
    means = by_recall(members)
    best = list(means.index[means >= means.max() - ROUNDING])
    pairs = compare(members, rule)
    caution = "One seed does not show how much is due to chance."
    return [
        best_sentence(members, best),
        *lead_sentences(best, pairs),
        *stricter_sentences(best, pairs),
        *([caution] if alone(members) else unpaired_sentences(best, list(means.index), pairs)),
    ]


def alone(members: "pd.DataFrame") -> bool:
    """Whether some method has one seed only."""
    return bool(members.groupby("method").size().min() == 1)


def best_sentence(members: "pd.DataFrame", best: Sequence[str]) -> str:
    """The methods with the highest mean; a single method is not called the best."""
    runs = members[members["method"] == best[0]]
    score = f"{100 * runs['recall@1'].mean():.1f} %"
    counts = sorted({int((members["method"] == name).sum()) for name in best})
    seeds = f"{'' if len(counts) == 1 else f'{counts[0]} to '}{counts[-1]} seeds"
    over = "in one run" if counts == [1] else f"as a mean over {seeds}"
    if members["method"].nunique() == 1:
        return f"{best[0]} reaches R@1 {score} on the test split {over}."
    return f"{highest(best)} R@1 on the test split, {score} {over}."


def highest(best: Sequence[str]) -> str:
    """`A has the highest`, `A and B share the highest`; only their number if there are many."""
    if len(best) == 1:
        return f"{best[0]} has the highest"
    names = " and ".join(best) if len(best) <= MOST_TIED else f"{len(best)} methods"
    return f"{names} share the highest"


def map_sentences(members: "pd.DataFrame") -> list[str]:
    """The methods with the highest mean MAP@R, of several."""
    if "map@r" not in members or members["method"].nunique() == 1:
        return []
    means = method_means(members, "map@r")
    best = list(means.index[means >= means.max() - ROUNDING])
    return [f"{highest(best)} MAP@R, {100 * means.max():.1f} %."]


def features_sentences(members: "pd.DataFrame") -> list[str]:
    """A warning if pretrained features as they are do as well as every loss that was trained on
    their network, by R@1 or MAP@R.

    `members` are all runs of one data set and split, those without a loss too, perhaps of several
    networks: of the features that do as well, the best ones count. Features of a network that none
    was trained on are compared with every loss.
    """
    features = members[(members["loss"] == NO_LOSS) & (members["embedding_dim"] == 0)]
    methods = trained(members)
    if features.empty or methods.empty:
        return []
    found: dict[str, list[str]] = {"": [], " on the same network": []}
    for key, heading in (("recall@1", "R@1"), ("map@r", "MAP@R")):
        if key not in members:
            continue
        means = method_means(features, key)
        for name in means.sort_values(ascending=False, kind="stable").index:
            rivals = on_same_network(methods, features[features["method"] == name].iloc[0])
            if means[name] >= method_means(rivals, key).max() - ROUNDING:
                whose = f" ({name})" if len(means) > 1 else ""
                beaten = means[name] >= method_means(methods, key).max() - ROUNDING
                which = "" if beaten else " on the same network"
                found[which].append(f"{heading} {100 * means[name]:.1f} %{whose}")
                break
    return [
        f"The pretrained features as they are, without training, reach {' and '.join(reached)}, as "
        f"much as the best loss{which} or more: unless fewer dimensions matter, prefer them, or "
        "train for longer."
        for which, reached in found.items()
        if reached
    ]


def on_same_network(methods: "pd.DataFrame", features: "pd.Series") -> "pd.DataFrame":
    """The methods that began with the network of these features; all of them if none did."""
    same = methods
    for field in ("backbone", "weights_sha256"):
        if field in same:
            same = same[same[field].map(show) == show(features[field])]
    return methods if same.empty else same


def method_means(members: "pd.DataFrame", key: str) -> "pd.Series[float]":
    """The mean of a score of each method."""
    return members.groupby("method")[key].mean()


def lead_sentences(best: Sequence[str], pairs: Sequence[Comparison]) -> list[str]:
    """The verdicts on the method with the highest mean, or on each that shares it, against the
    methods below."""
    tested = [item.verdict for item in pairs if len(item.verdict.differences) > 1]
    if tested and len(best) > MOST_TIED:
        return ["The verdict on each pair is among the differences in the report."]
    found = []
    for name in best:
        lead = [verdict for verdict in tested if verdict.first == name]
        for word, start in (LEADS if len(best) == 1 else TIED).items():
            verdicts = [verdict for verdict in lead if verdict.word == word]
            final = [verdict for verdict in verdicts if word == "worse" and is_early(verdict)]
            now = [verdict for verdict in verdicts if verdict not in final]
            for said, those in ((start, now), (REVERSED, final)):
                if those:
                    words = said.format(name=name, margin=100 * those[0].margin)
                    found.append(f"{words} {listed(those)}.")
    return found


def stricter_sentences(best: Sequence[str], pairs: Sequence[Comparison]) -> list[str]:
    """Why a lead is undecided though its own interval leaves out 0, if there is one."""
    for item in pairs:
        clear = item.differences["recall@1"].interval.excludes_zero()
        if clear and item.first in best and item.verdict.word == "undecided":
            if item.verdict.rule.looks:
                return [
                    "Each interval is of its pair and of these seeds alone; the verdicts are "
                    "corrected for all pairs and all looks."
                ]
            return [STRICTER]
    return []


def unpaired_sentences(
    best: Sequence[str], methods: Sequence[str], pairs: Sequence[Comparison]
) -> list[str]:
    """The methods that have no two seeds with one of the best, so that there is no verdict."""
    tested = [item.verdict for item in pairs if len(item.verdict.differences) > 1]
    found = []
    for position, name in enumerate(best[:MOST_TIED]):
        paired = {m for v in tested if name in (v.first, v.second) for m in (v.first, v.second)}
        others = [method for method in methods if method not in {*best[: position + 1], *paired}]
        if others:
            names = who(others, methods)
            found.append(f"{name} has fewer than two seeds in common with {names}: no verdict.")
    return found


def growth_sentence(members: "pd.DataFrame", pairs: Sequence[Comparison], looks: Looks) -> str:
    """How many seeds each method has, and why some or none were added; nothing without pairs."""
    if not pairs:
        return ""
    counts = members.groupby("method").size()
    seeds = ", ".join(f"{method} {count}" for method, count in counts.items())
    undecided = [item for item in pairs if item.verdict.word == "undecided"]
    unfinished = [item for item in undecided if len(item.verdict.differences) < looks.last]
    if counts.max() <= looks.first:
        first = "No seeds were added yet" if undecided else "The first look decided every pair"
        return f"{first}: {seeds}."
    why = "until every pair was decided"
    if undecided:
        why = "and more are to come" if unfinished else f"up to the most, {looks.last}"
        why += f" (undecided pairs: {len(undecided)} of {len(pairs)})"
    return f"Seeds were added {why}: {seeds}."


def certain(pairs: Sequence[Comparison], rule: Rule) -> str:
    """By which tests verdicts were found, and what the seeds could show without their assumption;
    empty without pairs."""
    if not pairs:
        return ""
    fewest = min(item.differences["recall@1"].interval.n for item in pairs)
    looks = rule.looks
    often = f", repeated from {looks.first} to {looks.last} with alpha spending" if looks else ""
    count = f"all {len(pairs)} pairs" if len(pairs) > 1 else "the pair"
    return (
        f"Verdicts come from paired t tests over seeds{often}, which take differences for normal; "
        f"the chance of any wrong one among {count} is at most {100 * ALPHA:g} %. A sign-flip "
        f"test, which assumes less, cannot fall below p = {least_sign_flip_p(fewest):.2g} with "
        f"{fewest} seeds."
    )


def untrained_sentences(members: "pd.DataFrame") -> list[str]:
    """Which methods end below the network as it was before training, and for which the seeds do not
    show it; by the interval of the difference, paired by seed."""
    gains = gains_over_start(members)
    kinds: dict[str, dict[str, Interval]] = {}
    for method, gain in gains.items():
        kinds.setdefault(kind(gain), {})[method] = gain
    found = []
    if below := kinds.get("below"):
        found.append(
            f"{who(below, gains)} ended below {start(members, below)}{by(', ', below)}: "
            f"{without_help(members)}."
        )
    if once := kinds.get("not above"):
        found.append(f"{who(once, gains)} did not end above {start(members, once)} in one run.")
    if unclear := kinds.get("unclear"):
        found.append(
            f"These seeds cannot tell whether {who(unclear, gains)} ended above "
            f"{start(members, unclear)}{by(': ', unclear)}."
        )
    return found


def gains_over_start(members: "pd.DataFrame") -> dict[str, Interval]:
    """Method -> R@1 minus that before training, of methods whose runs all have both."""
    if START not in members:
        return {}
    gains = members["recall@1"] - members[START]
    return {
        str(method): mean_interval(list(own))
        for method, own in gains.groupby(members["method"])
        if own.notna().all()
    }


def kind(gain: Interval) -> str:
    """What a gain over the start shows: "above", "below", "unclear", or of one run "not above"."""
    if gain.half is None:
        return "not above" if gain.mean <= ROUNDING else "above"
    if gain.is_steady():
        return "unclear" if gain.mean <= ROUNDING else "above"
    if not gain.excludes_zero():
        return "unclear"
    return "below" if gain.mean < 0 else "above"


def who(some: Collection[str], everyone: Collection[str]) -> str:
    """The methods by name; their number if there are more than three."""
    if len(some) > 3:
        return f"{len(some)} of {len(everyone)} methods"
    return " and ".join(some)


def by(mark: str, gains: Mapping[str, Interval]) -> str:
    """`, −2.5 ± 1.8 points` after a mark, in the order of `who`; empty where that has no names."""
    each = (
        f"{points(gain)} points{' with each seed' * gain.is_steady()}" for gain in gains.values()
    )
    return "" if len(gains) > 3 else f"{mark}{' and '.join(each)}"


def start(members: "pd.DataFrame", methods: Collection[str]) -> str:
    """The network before training and its R@1, from the lowest to the highest of some methods."""
    means = members[members["method"].isin(methods)].groupby("method")[START].mean()
    ends = dict.fromkeys(f"{100 * score:.1f}" for score in (means.min(), means.max()))
    pretrained = "weights_sha256" in members and members["weights_sha256"].notna().all()
    before = "pretrained network before training" if pretrained else "untrained network"
    return f"the {before} (R@1 {' to '.join(ends)} %)"


def without_help(members: "pd.DataFrame") -> str:
    """What did not improve; the classes of the test may have been trained."""
    protocol = members["split"].iloc[0]
    if protocol == "within-classes":
        return "training did not help to retrieve other images of the trained classes"
    if protocol in SHARING:
        return "training did not help to retrieve the test images"
    return "on these classes training did not help retrieval of unseen ones"


def listed(verdicts: Sequence[Verdict]) -> str:
    """`A (2.1 ± 0.5 points) and B (...)`; only their number if there are four or more."""
    if len(verdicts) > 3:
        return f"{len(verdicts)} other methods"
    return " and ".join(
        f"{verdict.second} ({points(verdict.difference)} points{and_seeds(verdict)})"
        for verdict in verdicts
    )


def and_seeds(verdict: Verdict) -> str:
    """How many seeds would decide, of a pair that is undecided; how many did, if not all."""
    if is_early(verdict):
        seeds = len(verdict.differences)
        return f" over all {seeds} seeds; decided with {verdict.judged.seeds}"
    return f"; {needed_words(verdict)}" if verdict.word == "undecided" else ""


def is_early(verdict: Verdict) -> bool:
    """Whether a look before the last seed decided the pair."""
    return verdict.word != "undecided" and verdict.judged.seeds < len(verdict.differences)


def needed_words(verdict: Verdict) -> str:
    """`about 14 seeds would decide R@1`, of a pair that is undecided in it."""
    if len(verdict.differences) < 2:
        return "one common seed shows no spread"
    if verdict.needed is None:
        looks, count = verdict.rule.looks, most_seeds(verdict.rule)
        if looks and len(verdict.differences) >= count:
            return f"the most seeds, {count}, did not decide R@1"
        return f"more than {count} seeds would be needed for R@1"
    return f"about {verdict.needed} seeds would decide R@1"


def verdict_cell(verdict: Verdict) -> str:
    """`better`; of a pair that is undecided also the seeds that would decide; of a pair that an
    earlier look decided its seeds."""
    if verdict.word == "undecided":
        return f"undecided: {needed_words(verdict)}"
    with_seeds = f", with {verdict.judged.seeds} seeds" if is_early(verdict) else ""
    return f"{verdict.word}{with_seeds}"


def claim(
    members: "pd.DataFrame", converged: Sequence[Convergence], outcomes: Sequence[Outcome]
) -> str:
    """Whether proxy losses are three times as fast as the reference; empty without both."""
    losses = dict(zip(members["method"], members["loss"], strict=True))
    proxies = [method for method, loss in losses.items() if loss.startswith(PROXY)]
    return claim_sentence(converged, proxies, outcomes) if proxies and len(losses) > 1 else ""
