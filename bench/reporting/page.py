"""The report: a table as Markdown and CSV, figures, and one HTML page that needs no network."""

from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.resources import files
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.metrics import definitions, describe, ordered
from bench.published import published
from bench.reporting import figures, others, provenance
from bench.reporting.beside import beside, difference, fits, other_lines
from bench.reporting.cards import cards
from bench.reporting.choices import MOST_PAIRS, choices
from bench.reporting.cost import prices, profile
from bench.reporting.cost.convergence import AXES, mean_finals, read_curves
from bench.reporting.cost.cost_to_target import Convergence, converged, cost_cell, logrank_p
from bench.reporting.figures import Stroke, assign, inlined, rc_params, save_figure
from bench.reporting.findings import (
    COMPARED,
    compare,
    features_sentences,
    sentences,
    verdict_cell,
    verdict_sentences,
)
from bench.reporting.groups import comparable_frame, trained
from bench.reporting.machines import kinds_text
from bench.reporting.provenance import components_sentence
from bench.reporting.rows import (
    GAIN,
    GAIN_NOTE,
    PLUS_MINUS,
    Row,
    mean_text,
    points,
    score_tables,
    summarise,
)
from bench.reporting.statistics import uncertainty, variance
from bench.reporting.statistics.across import WITHIN, Across, across, across_sentence, units_of
from bench.reporting.statistics.stats import least_sign_flip_p
from bench.reporting.statistics.verdicts import RULE, Rule
from bench.reporting.tables import csv, markdown, plain, templates
from bench.reporting.tuning import BUDGET_CAPTION, Tuned, tuning_figure, tuning_texts
from bench.reporting.years import published_figure
from bench.spec import slug
from bench.store.community import Community
from bench.store.runs import Run, write_text
from bench.temporary import temporary_folder
from bench.tuning.outcomes import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FEW_CLASSES = 20  # below which an interval over classes is itself uncertain
DRAWN_VALIDATION = (
    " Where the split varies, as in a study of variance, each run is validated on a part that was "
    "drawn for it."
)
SHOWN_TARGETS = (2, 5, 8)  # of ten, counted from 0; the others are folded


@dataclass(frozen=True)
class Report:
    """The folder of a report and its figures there, what was found on each data set and in which
    regime, and problems met while it was made; the rows of its table, and the frames of the other
    .csv files."""

    folder: Path
    drawn: tuple[str, ...]
    findings: tuple[str, ...]
    regimes: tuple[str, ...]
    problems: tuple[str, ...]
    rows: tuple[Row, ...]
    uncertainty: "pd.DataFrame"
    costs: "pd.DataFrame"
    profile: "pd.DataFrame"
    variance: "pd.DataFrame | None" = None
    from_others: tuple[others.Other, ...] = ()
    missing: str = ""

    @property
    def html(self) -> Path:
        return self.folder / "report.html"

    @property
    def tables(self) -> tuple[Path, ...]:
        """The .csv files, the scores first."""
        names = ["table", "uncertainty", "costs", "profile"]
        names += [] if self.variance is None else ["variance"]
        return tuple(self.folder / f"{name}.csv" for name in names)

    @property
    def figures(self) -> tuple[Path, ...]:
        return tuple(self.folder / "figures" / name for name in self.drawn)


def write_report(
    runs: Sequence[Run],
    directory: Path,
    *,
    title: str,
    problems: Sequence[str] = (),
    missing: str = "",
    rule: Rule = RULE,
    tuned: Tuned | None = None,
    study: variance.Study | None = None,
    community: Sequence[Community] = (),
) -> Report:
    """Write `report.html`, the tables (.csv and .md) and `figures/` of stored runs.

    A function of the runs alone: written again, every file has the same bytes (with the same
    versions of matplotlib and seaborn). The page begins with `problems` and with the sentence on
    `missing` runs; `rule` is that of verdicts; `tuned` is the search behind the hyper-parameters;
    `study` holds the further runs of a study of variance, which are in no mean; `community` are
    accepted submissions, which have a table of their own.
    Raises: ValueError if there is no run, or if two runs must not be compared; both before
    anything is written.
    """
    if not runs:
        raise ValueError("there is no finished run to report; run a suite first")
    with temporary_folder(directory) as staging:
        made = make_report(runs, staging, title, problems, missing, rule, tuned, study, community)
        return publish(made, directory)


def make_report(
    runs: Sequence[Run],
    folder: Path,
    title: str,
    problems: Sequence[str],
    missing: str,
    rule: Rule,
    tuned: Tuned | None,
    study: variance.Study | None,
    community: Sequence[Community],
) -> Report:
    """The files of `write_report` in an empty folder; raises as it does."""
    table, rows = comparable_frame(runs), summarise(runs, rule)
    spreads, unspread = uncertainty.frame(runs, rule)
    sections, unread = make_sections(table, rows, runs, folder / "figures", rule, tuned)
    found = [*unspread, *unread]
    shares = variance.frame(runs, study, tuned.outcomes if tuned else ()) if study else None
    shown = others.others(runs, community)
    for section in sections:
        add_uncertainty(section, spreads)
        add_variance(section, shares)
        add_others(section, shown, community, runs)
    by_test = {(item["dataset"], item["protocol"]): item["converged"] for item in sections}
    profiles = profile.profiles(by_test, units_of(table))
    drawn = draw_profile(profiles, table, folder / "figures")
    lines = across(table)
    summary = across_sentence(*lines)
    report = Report(
        folder,
        tuple(path.name for figure in [*all_figures(sections), *drawn] for path in figure[0]),
        (
            *(f"{section['name']}: {' '.join(section['sentences'])}" for section in sections),
            *filter(None, [summary]),
        ),
        tuple(
            f"{section['name']}: {section['regime']} {section['unequal']}".strip()
            for section in sections
        ),
        tuple(found),
        tuple(rows),
        spreads,
        prices.frame(by_test, tuned.outcomes if tuned else ()),
        profile.frame(profiles),
        shares,
        tuple(shown),
        missing,
    )
    noted = "".join(f"\nProblem: {plain(problem)}\n" for problem in problems)
    noted += f"\n{plain(missing)}\n" if missing else ""
    texts = [
        csv(rows),
        uncertainty.csv(spreads),
        prices.csv(report.costs),
        profile.csv(report.profile),
        *([] if shares is None else [variance.csv(shares)]),
    ]
    for path, text in zip(report.tables, texts, strict=True):
        write_text(path, text)
    write_text(folder / "table.md", f"# {plain(title)}\n\n{markdown(rows)}{noted}")
    profiled = {"figures": drawn, "table": profile.table(profiles)} if profiles else {}
    write_text(
        report.html,
        render(
            title,
            table,
            sections,
            [*problems, *found],
            missing,
            rule,
            lines[0],
            summary,
            profiled,
        ),
    )
    return report


def publish(made: Report, directory: Path) -> Report:
    """Move a report to its place. The page of an earlier one goes first and the new one comes last,
    so that where there is a page the files beside it are its own, unless two processes write it."""
    report = replace(made, folder=directory)
    (directory / "figures").mkdir(parents=True, exist_ok=True)
    report.html.unlink(missing_ok=True)  # here and below: two processes may write one report
    parts = [path for path in made.folder.rglob("*") if path.is_file() and path != made.html]
    for path in parts:
        path.replace(directory / path.relative_to(made.folder))
    figures = {
        path for kind in ("svg", "png") for path in (directory / "figures").glob(f"*.{kind}")
    }
    for path in {directory / "variance.csv", *figures} - {*report.tables, *report.figures}:
        path.unlink(missing_ok=True)
    made.html.replace(report.html)
    return report


def all_figures(sections: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[Path, Path], str, str]]:
    """Files, element and caption of the figures of all sections."""
    return [figure for section in sections for figure in section["figures"].values()]


def make_sections(
    table: "pd.DataFrame",
    rows: Sequence[Row],
    runs: Sequence[Run],
    folder: Path,
    rule: Rule,
    tuned: Tuned | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Sections with their figures, and the problems met on the way."""
    import matplotlib

    methods = trained(table)
    strokes = assign(dict(zip(methods["method"], methods["loss"], strict=True)))
    curves, problems = read_curves(runs, dict(zip(table["run"], table["method"], strict=True)))
    keys = ordered(key for run in runs for key in run.scores)
    by_name = {run.name: run for run in runs}
    environments = dict(zip(table["run"], provenance.environments(table)[1], strict=True))
    sections: list[dict[str, Any]] = []
    with matplotlib.rc_context(rc_params()):
        for (dataset, split), members in table.groupby(["dataset", "split"]):
            own = curves[(curves["dataset"] == dataset) & (curves["split"] == split)]
            outcomes = prices.outcomes_of(tuned.outcomes if tuned else (), str(dataset), str(split))
            section = make_section(members, own, rule, outcomes)
            anchor = f"{slug(str(dataset))}-{slug(str(split))}"
            section["anchor"] = free_name(anchor, [other["anchor"] for other in sections])
            own_runs = [by_name[name] for name in members["run"]]
            bounds = provenance.bound_sentences(own_runs)
            section["regime"] = " ".join([section["regime"], *bounds])
            early = provenance.early_sentence(
                members, provenance.perfect_runs(own_runs), converged=bool(section["converged"])
            )
            section["sentences"] += [early] if early else []
            problems += refusals(section["converged"])
            ours = [row for row in rows if (row.dataset, row.split) == (dataset, split)]
            section["scores"] = score_tables(ours)
            section["cards"] = cards(members, own, by_name, environments)
            section["choices"] = choices(trained(members), keys, rule)
            section["published"] = beside(published(), ours, members)
            section["tuning"] = tuned and tuning_texts(tuned, str(dataset), str(split))
            drawn = draw(trained(members), own, section["converged"], runs, strokes)
            drawn += draw_tuning(section["tuning"], section["name"])
            section["figures"] = {
                name: save(figure, folder / f"{section['anchor']}-{name}", title, explanation)
                for name, figure, title, explanation in drawn
                if figure is not None
            }
            sections.append(section)
    return sections, problems


def make_section(
    members: "pd.DataFrame", curves: "pd.DataFrame", rule: Rule, outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """The texts of one data set and split; `curves` are those that could be read, `outcomes` the
    trials behind the values of its methods.

    Of many pairs, the page shows the first `shown_pairs` and folds the others.
    """
    found = converged(curves)
    methods = trained(members)
    pairs = compare(methods, rule)
    few = len(pairs) <= MOST_PAIRS
    budget, _ = provenance.budget(members)
    return {
        "name": figures.origin(members),
        "dataset": members["dataset"].iloc[0],
        "protocol": members["split"].iloc[0],
        "verdict": verdict_sentences(methods, rule),
        "sentences": [*sentences(methods, found, rule, outcomes), *features_sentences(members)],
        "regime": f"{provenance.regime_sentence(members)} {components_sentence(members)}".strip(),
        "split": provenance.split_sentence(members),
        "machine": provenance.machine_sentence(members if methods.empty else methods),
        "budget": budget,
        "unequal": provenance.unequal_sentence(members),
        "methods": provenance.method_lines(members),
        "converged": found,
        "prices": {item.metric: prices.price_table(item, outcomes) for item in found if outcomes},
        "finals": {item.metric: mean_finals(curves, item.metric) for item in found},
        "pairs": pairs,
        "shown_pairs": len(pairs) if few else sum(pair.first == pairs[0].first for pair in pairs),
    }


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number if it is taken: `folder:Birds` and `folder:birds` have one slug."""
    numbers = (f"{name}-{number}" for number in count(2))
    return next(found for found in chain([name], numbers) if found not in taken)


def refusals(found: Sequence[Convergence]) -> list[str]:
    """Why frozen targets were not used, where they could not be."""
    return [item.targets.refused for item in found if item.targets.refused]


def add_uncertainty(section: dict[str, Any], table: "pd.DataFrame") -> None:
    """The lines of both uncertainties, the test classes, and of how many runs the latter is."""
    own = table[(table["dataset"] == section["dataset"]) & (table["split"] == section["protocol"])]
    pairs = section["pairs"][: section["shown_pairs"]]
    section["uncertainty"] = uncertainty.lines(own, [(pair.first, pair.second) for pair in pairs])
    section["spread_scores"] = list(own["score"].unique())
    section["classes"] = int(own["n_classes"].fillna(0).max()) if len(own) else 0
    section["runs_with_queries"] = sorted(own["n_runs_classes"].unique())


def add_variance(section: dict[str, Any], table: "pd.DataFrame | None") -> None:
    """What a study of variance found; its sentences are among the findings."""
    own = table is not None and variance.texts(table, section["dataset"], section["protocol"])
    section["variance"] = own or None
    if own:
        section["sentences"] += own["sentences"]


def add_others(
    section: dict[str, Any],
    shown: Sequence[others.Other],
    community: Sequence[Community],
    runs: Sequence[Run],
) -> None:
    """The lines of accepted submissions on the test of a section, and what was verified of each."""
    here = (section["dataset"], section["protocol"])
    own = [row for row in shown if (row.dataset, row.split) == here]
    section["others"] = [row.cells for row in own]
    ours = [run for run in runs if (run.spec["dataset"], run.spec["split"]) == here]
    section["verified"] = others.verified(community, own, ours)


def draw(
    members: "pd.DataFrame",
    curves: "pd.DataFrame",
    found: Sequence[Convergence],
    runs: Sequence[Run],
    strokes: Mapping[str, Stroke],
) -> list[tuple[str, "Figure | None", str, str]]:
    """Name, figure, title and explanation of the figures of one data set and split; `members` are
    its runs with a loss, `found` their costs to targets."""
    if members.empty:
        return []
    origin = figures.origin(members)
    return [
        (
            "scores",
            figures.scores_figure(members, strokes),
            f"Scores on the test split of {origin}.",
            "Large mark: mean over seeds. Bar: its t-based 95 % confidence interval. Small dots "
            "below: the seeds. Each panel has its own range.",
        ),
        (
            "roc",
            figures.roc_figure(members, runs, strokes),
            f"Verification on the test split of {origin}.",
            "Line: mean over seeds of the share of same-class pairs that are accepted, at the "
            "threshold that accepts the given share of the pairs of two classes.",
        ),
        (
            "convergence",
            None if curves.empty else figures.convergence_figure(curves, strokes),
            f"Convergence on the validation part of {origin}.",
            convergence_caption(curves),
        ),
        (
            "targets",
            figures.targets_figure(curves, found, strokes),
            f"Cost to reach a target on the validation part of {origin}.",
            "Line: Kaplan-Meier estimate of the share of targets that are reached within a number "
            "of steps, over ten targets and all seeds; runs that miss a target count as censored "
            "at the last median of three validations.",
        ),
        (
            "published",
            published_figure([row for row in published() if fits(row, members)], members),
            f"Published numbers for {origin}, and ours.",
            "Within a year each paper has a column; hollow marks are numbers that it quotes. Ours: "
            "mean over seeds of each method. Conditions differ, so this is not a ranking.",
        ),
    ]


def draw_profile(
    made: Sequence[profile.Profile], table: "pd.DataFrame", folder: Path
) -> list[tuple[tuple[Path, Path], str, str]]:
    """The figure of performance profiles over all data sets, saved, if there are profiles."""
    import matplotlib

    methods = trained(table)
    strokes = assign(dict(zip(methods["method"], methods["loss"], strict=True)))
    with matplotlib.rc_context(rc_params()):
        figure = profile.profile_figure(made, strokes)
        title = "Share of targets reached within a factor of the cheapest method's steps."
        if not figure:
            return []
        text = profile.caption([item for item in made if item.axis == "step"])
        return [save(figure, folder / "profile", title, text)]


def draw_tuning(
    tuning: Mapping[str, Any] | None, origin: str
) -> list[tuple[str, "Figure | None", str, str]]:
    """Name, figure, title and explanation of what a tuning budget buys, if trials are here."""
    if not tuning:
        return []
    strokes = assign(tuning["losses"])
    figure = tuning_figure(tuning["scores"], strokes, origin)
    return [("tuning", figure, f"Score against tuning budget on {origin}.", BUDGET_CAPTION)]


def convergence_caption(curves: "pd.DataFrame") -> str:
    """What the lines and bands are, and how seconds are averaged."""
    last = curves.drop_duplicates(["method", "seed"], keep="last")  # validations
    differ = [own["step"].nunique() > 1 for _, own in last.groupby("method")]
    ends = " A method's line ends where its first run ends." * any(differ)
    return (
        f"{figures.band_note(curves['method'].nunique())}{ends} For training time, each seed's "
        "curve is interpolated linearly to a common grid that ends where the first seed ends."
        f"{DRAWN_VALIDATION * bool(curves['drawn_validation'].any())}"
    )


def save(
    figure: "Figure", stem: Path, title: str, explanation: str
) -> tuple[tuple[Path, Path], str, str]:
    """The figure's files, its element of the page and its caption."""
    description = f"{title} The numbers are in the tables of this section."
    paths, element = save_figure(figure, stem)
    return paths, inlined(element, stem.name, description), f"{title} {explanation}"


def render(
    title: str,
    table: "pd.DataFrame",
    sections: Sequence[Mapping[str, Any]],
    problems: Sequence[str],
    missing: str,
    rule: Rule,
    across_lines: Sequence[Across],
    summary: str,
    profiled: Mapping[str, Any],
) -> str:
    """The page; everything but our own SVG is escaped."""
    environments, numbers = provenance.environments(table)
    script = files("bench.reporting").joinpath("templates/report.js").read_text(encoding="utf-8")
    return (
        templates()
        .get_template("page.html")
        .render(
            title=title,
            script=script,
            script_digest=digest(script),
            sections=sections,
            problems=problems,
            missing=missing,
            compared=COMPARED,
            least_p=least_sign_flip_p,
            verdict=verdict_cell,
            few_classes=FEW_CLASSES,
            looks=rule.looks,
            across=across_lines,
            across_sentence=summary,
            within=WITHIN,
            profiled=profiled,
            no_prices=prices.UNKNOWN,
            others_headings=others.HEADINGS,
            others_note=others.NOTE,
            axes=AXES,
            kinds_text=kinds_text,
            shown_targets=SHOWN_TARGETS,
            plus_minus=PLUS_MINUS,
            gain=GAIN,
            gain_note=GAIN_NOTE,
            definitions=definitions(map(str, table)),
            pretrained=bool(table["weights_sha256"].notna().any()),
            environments=environments,
            run_headings=provenance.RUN_HEADINGS,
            runs=provenance.run_lines(table, numbers),
            heading=lambda key: describe(key).heading,
            cost=cost_cell,
            faster=faster_cell,
            logrank=logrank_p,
            points=points,
            p_value=p_value,
            mean=mean_text,
            difference=difference,
            other_lines=other_lines,
        )
    )


def digest(script: str) -> str:
    """A script's digest as the page's content policy names it."""
    return b64encode(sha256(script.encode()).digest()).decode()


def faster_cell(found: Convergence, method: str, axis: str, target: int) -> str:
    """`1.31 (1.02 to 1.70)`: how many times as fast as the reference."""
    if method == found.reference:
        return "reference"
    ratio = found.faster[method][axis][target]
    return ratio.text if ratio else "–"


def p_value(p: float | None) -> str:
    """Three digits after the point."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
