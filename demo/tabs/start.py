"""Start: which results are open, what they say of each data set, and queries worth a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bench.reporting.findings import features_sentences, untrained_sentences, verdict_sentences
from bench.reporting.groups import by_method, comparable_frame, trained
from bench.reporting.provenance import bound_sentences, cautions
from bench.reporting.statistics.seed_rule import judged_together
from bench.store.runs import Run, StoredRunError
from bench.store.seed_plan import SeedPlan, read_plans
from bench.suggest import printable
from demo.library import Library, Shelf, inside, is_untrained, one_of_each
from demo.outcomes import telling
from demo.pictures import Tile, tile
from demo.render import render
from demo.retrieved import open_run
from demo.view import View, write_address

WORDS = {  # of `telling` -> what is said of the query
    "every": "Every loss gets it",
    "first": "Only {first} gets it",
    "second": "Only {second} gets it",
    "none": "No loss gets it",
}
OF_SOME = {  # the same where there are more losses than are compared
    "every": "All {count} losses that are compared get it",
    "first": "Of {count} compared losses only {first} gets it",
    "second": "Of {count} compared losses only {second} gets it",
    "none": "None of the {count} losses that are compared gets it",
}

UNPAIRED = (
    "There is no verdict between methods of a suite whose seeds were added until pairs were "
    "decided and methods outside it: their seeds were chosen by different rules."
)


@dataclass(frozen=True)
class Section:
    """A data set: its address, the methods and runs that are open, how many of these can be
    browsed if not all, what is known of them, and queries with their words; `compared` says of
    which runs these are."""

    title: str
    address: str
    methods: int
    runs: int
    kept: str
    verdict: str
    queries: list[tuple[str, Tile]]
    compared: str


def show(library: Library, view: View) -> str:
    """All data sets."""
    sections = [section(library, shelf, view) for shelf in library.shelves]
    return render("start.html", results=printable(str(library.results)), sections=sections)


def section(library: Library, shelf: Shelf, view: View) -> Section:
    """One data set; without queries where its pictures or neighbors cannot be shown."""
    own = View("explore", shelf.key, shelf.first.name, neighbors=view.neighbors)
    runs = one_of_each(shelf)
    try:
        queries = worth_a_look(shelf, own, runs)
    except StoredRunError as error:
        queries, problem = [], printable(str(error))
    else:
        problem = ""
    names = " · ".join(shelf.run_labels[run.name] for run in runs)
    return Section(
        library.titles[shelf.key],
        write_address(own),
        len(shelf.methods),
        len(shelf.runs),
        shelf.kept,
        verdict(shelf),
        queries,
        problem or f"Right or wrong at rank 1, for {names}." * bool(queries),
    )


def verdict(shelf: Shelf) -> str:
    """Which method has the highest score, how certain that is, and whether the untrained network
    or pretrained features do as well; as the report says it. Unequal budgets are named."""
    try:
        return verdict_by(shelf, tuple(read_plans(shelf.results).items()))
    except ValueError as error:
        return printable(f"No verdict: {inside(str(error), shelf.results)}")


@lru_cache(maxsize=32)
def verdict_by(shelf: Shelf, named_plans: tuple[tuple[str, SeedPlan], ...]) -> str:
    """`verdict` by plans of seeds, which may come while the page is open; raises as
    `comparable_frame`."""
    plans, found = dict(named_plans), []
    tables = judged_together(shelf.runs, plans)
    for name, runs, rule in tables:
        frame = comparable_frame(runs)
        verdicts = verdict_sentences(trained(frame), rule)
        start = untrained_sentences(trained(frame))
        said = [*verdicts, *start, *cautions(frame), *features_sentences(frame)]
        said += bound_sentences(runs)
        if name:
            said += lost_sentences(runs, plans[name])
        if len(tables) > 1:
            said[0] = f"{f'Suite {name}' if name else 'Other runs'}: {said[0]}"
        found += said
    if len(tables) > 1:
        found.append(UNPAIRED)
    return printable(" ".join(found))


def lost_sentences(runs: Sequence[Run], plan: SeedPlan) -> list[str]:
    """Which runs are missing although later seeds of their method are there."""
    members = by_method(run for run in runs if not is_untrained(run))
    return [
        f"{own[0].spec['method']} lacks a run with seed {' '.join(map(str, lost))} although later "
        "seeds are there, so verdicts may be others; `run --until-decided` makes it again, if the "
        "suite still has the method."
        for own in members.values()
        if (lost := plan.lost([int(run.spec["seed"]) for run in own]))
    ]


def worth_a_look(shelf: Shelf, view: View, runs: list[Run]) -> list[tuple[str, Tile]]:
    """Queries that tell runs from each other, each with its words; they lead to Compare."""
    if len(runs) < 2:
        return []
    opened = [open_run(shelf, run.name) for run in runs]
    names = {
        kind: shelf.run_labels[run.name].removesuffix(f", seed {run.spec['seed']}")
        for kind, run in zip(("first", "second"), runs, strict=False)
    }
    view = View("compare", view.shelf, runs[0].name, 0, view.neighbors, runs[1].name)
    words = OF_SOME if shelf.losses > len(runs) else WORDS
    return [
        (words[kind].format(**names, count=len(runs)), tile(shelf, opened[0], view, query))
        for kind, query in telling(opened).items()
    ]
