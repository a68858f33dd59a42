"""Whether proxy losses are "about three times as fast", Movshovitz-Attias et al. 2017.

One sentence for each data set and split, and by one definition: the cost of one training to the
middle target of MAP@R on the validation part, which tuning maximises, in steps and in seconds. The
factor is the geometric mean of `cost_ratio`. With tuning, the trials of the search count on both
sides, and the factor is that of the average costs, without an interval.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.metrics import describe
from bench.reporting.cost.cost_ratio import Ratio
from bench.reporting.cost.cost_to_target import Convergence
from bench.reporting.cost.prices import prices
from bench.reporting.machines import kinds_text
from bench.tuning.outcomes import Outcome

CLAIM = 3.0
MOST_NAMED = 3
UNITS = {"step": "steps", "seconds": "seconds"}
METRIC = "map@r"
HEADING = describe(METRIC).heading


def claim_sentence(
    converged: Sequence[Convergence], proxies: Sequence[str], outcomes: Sequence[Outcome]
) -> str:
    """The sentence on one data set and split; empty where nothing but the reference is a proxy.

    proxies: the methods with a proxy loss; outcomes: the stored trials.
    """
    found = next((item for item in converged if item.metric == METRIC), None)
    if found is None:
        return (
            '"Three times as fast" cannot be judged: among the runs with four validations or more, '
            f"no method ends above the untrained network by {HEADING} on the validation part."
        )
    judged = [method for method in proxies if method in found.faster]
    if not judged:
        return ""
    scores, middle = found.targets.scores, found.targets.middle
    speeds = [
        f"in {words} it {verdicts({m: found.faster[m][axis][middle] for m in judged})}"
        for axis, words in UNITS.items()
        if axis == "step" or found.machines == 1
    ]
    if found.machines > 1:
        several = kinds_text(found.machines)
        speeds.append(f"in seconds it cannot be judged, as these come from {several}")
    return (
        f'"Three times as fast as {found.reference}", by one training to {HEADING} '
        f"{100 * scores[middle]:.1f} % on the validation part (the middle one of {len(scores)} "
        f"targets) and without tuning: {'; '.join(speeds)}; {with_tuning(found, judged, outcomes)}."
    )


def verdicts(ratios: Mapping[str, Ratio | None]) -> str:
    """`fails for A (factor 1.31, 95 % interval 1.02 to 1.70) and is undecided for B (...)`."""
    groups: dict[str, list[str]] = {}
    for method, ratio in ratios.items():
        groups.setdefault(verdict(ratio), []).append(method)
    return " and ".join(
        f"{word} for {named({method: factor(ratios[method]) for method in methods})}"
        for word, methods in groups.items()
    )


def verdict(ratio: Ratio | None) -> str:
    """Whether the whole interval, or no part of it, is above three."""
    if ratio is None:
        return "cannot be judged"
    return "holds" if ratio.low >= CLAIM else "fails" if ratio.high < CLAIM else "is undecided"


def factor(ratio: Ratio | None) -> str:
    """The factor in words."""
    if ratio is None:
        return (
            "of their common seeds, fewer than 3 runs of it or of the reference reach the target, "
            "or one had reached it before training"
        )
    if not ratio.known:
        return "factor unknown"
    if ratio.steady:
        return f"factor {ratio.estimate:.2f} with each seed, which leaves no interval"
    return f"factor {ratio.estimate:.2f}, 95 % interval {ratio.low:.2f} to {ratio.high:.2f}"


def named(reasons: Mapping[str, str]) -> str:
    """`A (...) and B (...)`; only their number if there are many."""
    return listed([f"{method} ({reason})" for method, reason in reasons.items()])


def listed(methods: Sequence[str]) -> str:
    """`A and B`; only their number if there are many."""
    return f"{len(methods)} proxy losses" if len(methods) > MOST_NAMED else " and ".join(methods)


def with_tuning(found: Convergence, methods: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    """The factors in steps with the trials of both sides."""
    known = prices(found, outcomes)
    if found.reference not in known or not any(method in known for method in methods):
        return "with tuning it is unknown, as no whole search is stored"
    middle = found.targets.middle
    total = {
        method: float(found.costs[method]["step"].average[middle] + price["step"].trials)
        for method, price in known.items()
    }
    reached = [method for method in methods if np.isfinite(total.get(method, np.inf))]
    if not reached or not np.isfinite(total[found.reference]):
        return "with tuning it cannot be judged either"
    factors = sorted(total[found.reference] / total[method] for method in reached)
    says = " to ".join(dict.fromkeys(f"{factors[end]:.2f}" for end in (0, -1)))
    others = [method for method in methods if method not in reached]
    without = f" (without {listed(others)}: no trials, or never reached)" if others else ""
    return f"with all trials counted on both sides the factor in steps is {says}{without}"
