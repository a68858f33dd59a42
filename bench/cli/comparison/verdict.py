"""Which loss to prefer, in plain words, or that the runs cannot say."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.reporting.findings import STRICTER
from bench.reporting.groups import comparable_frame
from bench.reporting.provenance import is_perfect, why_early
from bench.reporting.rows import Row, points, summarise
from bench.reporting.statistics.stats import ROUNDING, Interval
from bench.reporting.statistics.verdicts import MARGIN, MOST_SEEDS, Verdict, table_verdicts
from bench.running import choose_budget
from bench.spec import NO_LOSS
from bench.store.runs import Run
from bench.store.seed_plan import MOST
from bench.suites.model import FEATURES

if TYPE_CHECKING:
    import pandas as pd

SCORE = "map@r"
NO_INTERVAL = "is the same with each seed, which leaves no interval to judge it by"
FEW_CLASSES, FEW_IMAGES = 10, 100  # below which other photographs may say otherwise
PARTS = ("test", "validation")
FEW_SEEDS = 6  # below which no sign-flip test falls below 0.05


def sentences(runs: Sequence[Run], more: str) -> list[str]:
    """Which loss to prefer by MAP@R of the test images, what training gained, and cautions.

    runs: those of one data set and split, without training too. more: the command that adds seeds
    until pairs are decided.
    """
    trained = [run for run in runs if run.spec["loss"] != NO_LOSS]
    if not trained:
        return ["No loss has a finished run, so nothing can be said."]
    scores = scores_of(trained)
    if scores.empty:
        return ["No seed of every loss is finished, so nothing can be said."]
    means = scores.mean().sort_values(ascending=False, kind="stable")
    order, rows = list(means.index), {row.method: row for row in summarise(runs)}
    leads = [lead for lead in table_verdicts(scores[order]) if lead.first == order[0]]
    found = [preference(scores, order, leads)] if len(order) > 1 else []
    found += gain([rows[method] for method in order])
    found += without_training(rows.get(FEATURES), float(means.iloc[0]))
    found += ended_early(trained) + more_seeds(len(scores), leads, more)
    return found + small_parts(trained[0])


def scores_of(runs: Sequence[Run]) -> "pd.DataFrame":
    """MAP@R by seed (rows) and method (columns), of the seeds that all methods have."""
    table = comparable_frame(runs).pivot(index="seed", columns="method", values=SCORE)
    return table.dropna()


def preference(scores: "pd.DataFrame", order: Sequence[str], verdicts: Sequence[Verdict]) -> str:
    """The loss with the highest mean, if it is shown to be better than all others; else what is the
    same or open.

    order: methods by their means, the highest first; verdicts: those on the first.
    """
    first, count = order[0], len(scores)
    if count < 2:
        return "These runs cannot say which loss to prefer: one seed does not show what is chance."
    leads = {lead.second: lead for lead in verdicts}
    better, same, undecided = (
        [leads[other] for other in order[1:] if leads[other].word == word]
        for word in ("better", "same", "undecided")
    )
    paired = f"95 % intervals, paired over {count} seeds"
    also = f" It is {above(better)}, which is clear." if better else ""
    alike = f"the same as {listed(seconds(same))}"
    within = f"{100 * MARGIN:g} points"
    if undecided:
        others = [first, *seconds(undecided)]
        also += f" Within {within} it is {alike}." if same else ""
        return (
            f"These runs cannot tell {listed(others)} apart: {reached(scores, others)}, where "
            f"{doubts(first, undecided)} ({paired}).{also}{outlook(undecided)}"
        )
    if same:
        means = reached(scores, [first, *seconds(same)])
        return f"{first} is {alike} within {within}: {means}, {above(same)} ({paired}).{also}"
    return f"Prefer {first}: {reached(scores, [first])}, {above(better)} ({paired})."


def seconds(leads: Sequence[Verdict]) -> list[str]:
    """The losses below the highest one in these verdicts on it."""
    return [lead.second for lead in leads]


def reached(scores: "pd.DataFrame", methods: Sequence[str]) -> str:
    """The mean score of each method."""
    means = listed([percent(scores[method].mean()) for method in methods])
    return f"MAP@R {means} on the test images"


def above(leads: Sequence[Verdict]) -> str:
    """How far the highest loss is above others."""
    return listed([f"{points(lead.difference)} points above {lead.second}" for lead in leads])


def doubts(first: str, undecided: Sequence[Verdict]) -> str:
    """Why the leads of a loss over others are not clear."""
    leads = {lead.second: lead.difference for lead in undecided}
    steady = [other for other, found in leads.items() if found.is_steady()]
    equal = [other for other in steady if abs(leads[other].mean) <= ROUNDING]
    ahead = [other for other in steady if other not in equal]
    varying = [other for other in leads if other not in steady]
    chance, fixed = (
        listed([f"{points(leads[other])} points over {other}" for other in others])
        for others in (varying, ahead)
    )
    return listed(
        [
            *([f"the lead of {first}, {chance}, may be chance"] if chance else []),
            *([f"the lead of {first}, {fixed}, {NO_INTERVAL}"] if fixed else []),
            *([f"{listed(equal)} scored the same with each seed"] if equal else []),
        ]
    )


def outlook(undecided: Sequence[Verdict]) -> str:
    """Why a lead is undecided though its own interval leaves out 0, if there is one, and how many
    seeds would decide all."""
    stricter = any(lead.difference.excludes_zero() for lead in undecided)
    seeds = [lead.needed or MOST_SEEDS + 1 for lead in undecided]
    enough = f"About {max(seeds)}" if max(seeds) <= MOST_SEEDS else f"More than {MOST_SEEDS}"
    found = [STRICTER] if stricter else []
    return " " + " ".join([*found, f"{enough} seeds would decide MAP@R."])


def gain(rows: Sequence[Row]) -> list[str]:
    """What training gained over the pretrained features of equal dimension; rows of the losses, the
    highest first."""
    gains = {row.method: row.gain for row in rows if row.gain}
    if not gains:
        return []
    over = "the pretrained features of equal dimension, in points of MAP@R"
    each = listed([f"{method} {signed(interval)}" for method, interval in gains.items()])
    sure = [name for name, found in gains.items() if found.mean > 0 and found.excludes_zero()]
    if all(interval.mean <= 0 for interval in gains.values()):
        return [f"No loss gained over {over}: {each}."]
    if len(sure) == len(gains):
        return [f"Every loss gained over {over}: {each}."]
    shown = f"are those of {listed(sure)}" if sure else "is none"
    return [f"Gains over {over}: {each}; shown to be beyond chance {shown}."]


def without_training(features: Row | None, best: float) -> list[str]:
    """A warning if the pretrained features as they are do as well as the best loss."""
    if (
        features is None
        or SCORE not in features.scores
        or features.scores[SCORE].mean < best - ROUNDING
    ):
        return []
    return [
        f"The pretrained features as they are reach {percent(features.scores[SCORE].mean)}, as "
        "much as the best loss or more: unless fewer dimensions matter, prefer them, or train for "
        "more minutes."
    ]


def more_seeds(count: int, leads: Sequence[Verdict], more: str) -> list[str]:
    """Whether the seeds are few, and what adds some; leads: the verdicts on the highest loss."""
    most = choose_budget.MOST_SEEDS
    undecided = [lead for lead in leads if lead.word == "undecided"]
    few = f"{count} seeds give an indication, not a proof" if 1 < count < FEW_SEEDS else ""
    if few and count < most:
        enough = all(lead.needed and lead.needed <= most for lead in undecided)
        beyond = "" if enough else "; beyond that add some to `seeds` in the suite and run it"
        return [f"{few}; more minutes give up to {most}{beyond}."]
    found = [f"{few}."] if few else []
    if undecided and count >= most:
        found.append(f"More seeds, up to {MOST}, until R@1 is decided: {more}")
    return found


def small_parts(run: Run) -> list[str]:
    """A caution about a small test, and about a small validation."""
    split = run.record["split"]
    counts = {part: (split[f"{part}_images"], split[f"{part}_classes"]) for part in PARTS}
    small = {
        part: f"{images:,} images of {classes:,} classes"
        for part, (images, classes) in counts.items()
        if images < FEW_IMAGES or classes < FEW_CLASSES
    }
    found = []
    if "test" in small:
        found.append(f"The test has {small['test']}: with other photographs the order may differ.")
    if "validation" in small:
        found.append(
            f"Validation has {small['validation']}, and its R@1 moves in steps of "
            f"{100 / counts['validation'][0]:.1f} points: when runs end and which one is named as "
            "the model may be chance."
        )
    return found


def ended_early(runs: Sequence[Run]) -> list[str]:
    """How many runs ended before their last step, after how many steps, and why."""
    early = [run for run in runs if run.curve[-1]["step"] < run.spec["steps"]]
    if not early:
        return []
    ends = sorted(run.curve[-1]["step"] for run in early)
    span = f"{ends[0]}" if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"
    perfect = sum(is_perfect(point[SCORE] for point in run.curve) for run in early)
    return [
        f"{len(early)} of {len(runs)} runs ended early, after {span} of at most "
        f"{max(run.spec['steps'] for run in early)} steps, because validation "
        f"{why_early(len(early), perfect)}. Scored and stored is the network after the last step, "
        "which need not be the best one."
    ]


def best_runs(runs: Sequence[Run]) -> list[Run]:
    """Of the loss with the highest mean MAP@R on the test images, the run that ended best on the
    validation images, or several that are equal, by seed; none without a trained run."""
    trained = [run for run in runs if run.spec["loss"] != NO_LOSS]
    scores = scores_of(trained) if trained else None
    if scores is None or scores.empty:
        return []
    names = comparable_frame(trained).set_index("run")["method"]
    own = [run for run in trained if names[run.name] == scores.mean().idxmax()]
    ends = {run.name: float(run.curve[-1][SCORE]) for run in own}
    best = [run for run in own if ends[run.name] >= max(ends.values()) - ROUNDING]
    return sorted(best, key=lambda run: int(run.spec["seed"]))


def why_this(run: Run, equal: Sequence[Run]) -> str:
    """The loss, seed and last step of the run that is named as the model, and why it is; equal:
    others that ended as well on validation."""
    spec, step = run.spec, run.curve[-1]["step"]
    which = f"{spec['method']}, seed {spec['seed']}, after step {step}: of this loss"
    if not equal:
        return f"{which} the run that ended best on validation"
    seeds = listed([str(other.spec["seed"]) for other in equal])
    others = f"seed{'s' * (len(equal) > 1)} {seeds}"
    score = percent(run.curve[-1][SCORE])
    return (
        f"{which} it ended best on validation, at MAP@R {score} like {others}, which it precedes "
        "only in number"
    )


def signed(interval: Interval) -> str:
    """`+2.1 ± 0.5`, or `+2.1 with each seed`."""
    sign = "+" if interval.mean > 0 else ""
    if interval.is_steady():
        return f"{sign}{points(interval)} with each seed"
    return sign + points(interval)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def listed(names: Sequence[str]) -> str:
    """`A, B and C`; empty without names."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
