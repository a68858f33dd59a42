"""How the hyper-parameters were found, and what score a tuning budget buys."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bench.metrics import describe
from bench.reporting.figures import Stroke, add_legend, label, make_figure, note
from bench.reporting.groups import show
from bench.reporting.statistics.stats import ROUNDING
from bench.suites.arguments import declared_losses
from bench.suites.tuned import Chosen, Tuning
from bench.tuning.best_of import BestOf, best_of
from bench.tuning.outcomes import TESTED, Outcome, Trial, tested

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = (
    *("Method", "Searched", "Trials", "Best on validation", "Values of the best"),
    *("Suite's own values", "Defaults of the loss", "At an end of its range"),
)
CAPTION = (
    "{criterion}, in percent. All values of all trials were drawn at random before the first one "
    "started, and every trial had seed {seed}. The suite's own values are trial 0, which may be "
    "chosen too. The defaults of a loss are its paper's values where docs/losses.md names "
    "no difference."
)
BUDGET_CAPTION = (
    "MAP@R in percent of the best of n trials, chosen on validation: the mean over all subsets of "
    "n trials, exactly; the suite's own values (trial 0), which may be chosen too, are not among "
    "them. In brackets a 95 % bootstrap over trials; at the largest n it is too "
    "narrow above, since no other trial is known to be better. It shows the chance of the draws "
    "alone, not that of training: all trials have one seed."
)


@dataclass(frozen=True)
class Tuned:
    """The search behind a suite.

    Attributes: tuning, the suite's own table; edited, what of its values is not from the search;
    outcomes, the stored trials, none if they are not here.
    """

    tuning: Tuning
    edited: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def tuning_texts(tuned: Tuned, dataset: str, split: str) -> dict[str, Any] | None:
    """The tables and sentences of one data set and split; None if it was not tuned."""
    names = [
        name
        for name, budget in tuned.tuning.budgets.items()
        if (budget.dataset, budget.split) == (dataset, split)
    ]
    if not names:
        return None
    chosen = tuned.tuning.budgets[names[0]].methods
    outcomes = [found for found in tuned.outcomes if found.searched.budget == names[0]]
    rows = [line(outcome) for outcome in outcomes] or [
        short_line(method, found) for method, found in chosen.items()
    ]
    scores = expected(outcomes)
    return {
        "headings": HEADINGS,
        "lines": rows,
        "caption": CAPTION.format(
            criterion=tuned.tuning.criterion.capitalize().replace("map@r", "MAP@R"),
            seed=tuned.tuning.seed,
        ),
        "sentences": [
            *(f"Edited by hand: {text}." for text in tuned.edited),
            *([] if outcomes else ["The trials are not beside the suite file."]),
            *diverged_sentences(outcomes),
            *untrained_sentences(outcomes),
            *ranking_sentences(scores),
        ],
        "budget_caption": BUDGET_CAPTION,
        "budget": budget_table(scores),
        "scores": scores,
        "losses": {found.searched.method: found.searched.loss for found in outcomes},
    }


def line(outcome: Outcome) -> tuple[str, ...]:
    """A method with its space, trials, best trial and what that is compared with."""
    best, default = outcome.best, outcome.default
    lost = f", {len(outcome.diverged)} diverged" if outcome.diverged else ""
    lost += f", {len(outcome.untrained)} untrained" if outcome.untrained else ""
    return (
        outcome.searched.method,
        "; ".join(dimension.text for dimension in outcome.searched.space),
        f"{len(outcome.trials)}{lost}",
        f"{percent(best.score)} (trial {best.number})",
        values_text(best),
        f"{percent(default.score)} ({values_text(default)})",
        defaults_text(outcome),
        "; ".join(outcome.edges) or "none",
    )


def short_line(method: str, chosen: Chosen) -> tuple[str, ...]:
    """What the suite file says of a method whose trials are not here."""
    lost = f", {chosen.diverged} diverged" if chosen.diverged else ""
    return (
        *(method, "–", f"{chosen.trials}{lost}"),
        f"{percent(chosen.score)} (trial {chosen.trial})",
        *("–", percent(chosen.default), "–", "; ".join(chosen.edges) or "none"),
    )


def percent(score: float) -> str:
    return f"{100 * score:.1f}"


def values_text(trial: Trial) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {show(value)}" for name, value in trial.values.items()
    )


def defaults_text(outcome: Outcome) -> str:
    """The defaults of the loss's constructor for what was searched."""
    declared = declared_losses()[outcome.searched.loss].hyper_parameters
    found = [d.name for d in outcome.searched.space if d.name in declared]
    texts = [f"{name.replace('_', ' ')} {json.dumps(declared[name][1])}" for name in found]
    return ", ".join(texts) or "none"


def diverged_sentences(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"{outcome.searched.method}: trial {trial.number} ({values_text(trial)}) diverged and "
        f"counts as 0: {trial.diverged}."
        for outcome in outcomes
        for trial in outcome.all
        if trial.diverged
    ]


def untrained_sentences(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"{outcome.searched.method}: {outcome.untrained_text}."
        for outcome in outcomes
        if outcome.untrained_text
    ]


def expected(outcomes: Sequence[Outcome]) -> dict[str, dict[str, BestOf]]:
    """validation and, where every trial has a test score, test -> method -> expected scores."""
    found: dict[str, dict[str, BestOf]] = {"validation": {}}
    if outcomes and tested(outcomes):
        found["test"] = {}
    for outcome in outcomes:
        validation = [trial.score for trial in outcome.trials]
        found["validation"][outcome.searched.method] = best_of(validation, validation)
        if "test" in found:
            test = [trial.test or 0.0 for trial in outcome.trials]
            found["test"][outcome.searched.method] = best_of(validation, test)
    return found


def budget_table(
    scores: Mapping[str, Mapping[str, BestOf]],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and lines of the expected scores; no line without trials."""
    sizes = next((found.sizes for found in scores["validation"].values()), ())
    headings = ("Method", "Score", *(f"n = {size}" for size in sizes))
    lines = [
        (
            method,
            part,
            *(
                f"{percent(mean)} ({percent(low)} to {percent(high)})"
                for mean, low, high in zip(found.means, found.lows, found.highs, strict=True)
            ),
        )
        for part, methods in scores.items()
        for method, found in methods.items()
    ]
    return headings, lines


def ranking_sentences(scores: Mapping[str, Mapping[str, BestOf]]) -> list[str]:
    """Whether the order of the methods depends on the number of trials, of those in the table."""
    part = "test" if "test" in scores else "validation"
    methods = scores[part]
    if len(methods) < 2:
        return []
    sizes = next(iter(methods.values())).sizes
    orders = [
        ranking({method: found.means[index] for method, found in methods.items()})
        for index in range(len(sizes))
    ]
    what = (
        f"By expected {describe(TESTED).heading} of the drawn trials on {part}, at "
        f"n = {', '.join(map(str, sizes))}"
    )
    if all(order == orders[0] for order in orders):
        same = " the same" if len(sizes) > 1 else ""
        return [f"{what}, the ranking is{same}: {', '.join(orders[0])}."]
    spans = [
        f"{', '.join(order)} at n = {size}"
        for size, order, before in zip(sizes, orders, [[], *orders], strict=False)
        if order != before
    ]
    leaders = {order[0] for order in orders}
    who = "who leads" if len(leaders) > 1 else "the order behind the leader"
    return [
        f"{what}, the ranking changes with the tuning budget, and with it {who}: "
        f"{'; '.join(spans)}. Differences within the bands are not shown by these trials."
    ]


def ranking(means: Mapping[str, float]) -> list[str]:
    """Methods by their means, the highest first; those of equal means, but for rounding, share a
    place."""
    rounded = {method: round(float(mean) / ROUNDING) for method, mean in means.items()}
    places = groupby(sorted(rounded, key=lambda name: (-rounded[name], name)), rounded.__getitem__)
    tied = [list(names) for _, names in places]
    return [f"{' and '.join(names)} (tied)" if len(names) > 1 else names[0] for names in tied]


def tuning_figure(
    scores: Mapping[str, Mapping[str, BestOf]], strokes: Mapping[str, Stroke], origin: str
) -> "Figure | None":
    """Expected scores over the number of trials, with bands; None without trials."""
    if not scores["validation"]:
        return None
    figure = make_figure(3.6, len(scores["validation"]))
    panels = figure.subplots(1, len(scores), squeeze=False, sharey=False)[0]
    for panel, (part, methods) in zip(panels, scores.items(), strict=True):
        panel.set_xscale("log", base=2)
        for method, found in methods.items():
            stroke = strokes[method]
            style: dict[str, Any] = {"color": stroke.colour, "marker": stroke.marker}
            dashes = (0, stroke.dashes) if stroke.dashes else "solid"
            panel.plot(found.sizes, 100 * found.means, linestyle=dashes, markersize=4, **style)
            bounds = 100 * found.lows, 100 * found.highs
            panel.fill_between(found.sizes, *bounds, color=stroke.colour, alpha=0.12, linewidth=0)
            panel.set_xticks(found.sizes, map(str, found.sizes))
        panel.minorticks_off()
        label(panel, "Trials (n)", f"{describe(TESTED).heading}, {part} (percent)")
    add_legend(figure, scores["validation"])
    note(figure, f"{origin}. Expected score of the best of n trials; band: 95 % bootstrap.")
    return figure
