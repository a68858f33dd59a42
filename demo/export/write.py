"""`proxy-bench demo --export`: chosen runs of a results folder as pages that open from disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.reporting.groups import method_key
from bench.store.runs import Progress
from bench.suggest import printable
from demo.export.choice import choose
from demo.export.content import describe, has_ranks, images, map_of, retrieval, start
from demo.export.folder import measure, new_export
from demo.export.page import data, page, script
from demo.export.pictures import Pictures, fit
from demo.library import Library, Shelf, inside
from demo.retrieved import open_run
from demo.tabs.results import render_results
from demo.view import NEIGHBORS


@dataclass(frozen=True)
class Exported:
    """What was written: sentences on what it holds and leaves out, its files and bytes."""

    notes: list[str]
    files: int
    size: int


@dataclass(frozen=True, eq=False)
class Part:
    """A data set of an export: its number and title, the runs, the data set with all its runs, and
    how its pictures are shown."""

    number: int
    title: str
    shelf: Shelf
    every: Shelf
    pictures: Pictures


def export(
    library: Library, target: Path, names: Sequence[str] = (), report: Progress | None = None
) -> Exported:
    """Write runs of a library as a folder, or as a file if `target` ends in .zip.

    names: of the runs, one seed of each method if there are none; report: called with the number
    of pictures and queries that are written, and of all.
    Raises: ValueError as `choose` and `new_export`, StoredRunError if a run cannot be read; nothing
    is written then.
    """
    chosen = choose(library, names)
    with new_export(target) as folder:
        parts = [
            Part(
                number,
                library.titles[shelf.key],
                shelf,
                library.shelf(shelf.key),
                fit(shelf.pictures),
            )
            for number, shelf in enumerate(chosen.shelves)
        ]
        notes = [sentence for part in parts for sentence in notes_on(part)]
        notes += [*left_out(library, chosen), *doubts(library)]
        step = counted(sum(map(work, parts)), report)
        for part in parts:
            write_part(folder, part, step)
        content = {
            "shelves": [
                {"title": part.title, **describe(part.shelf, part.number, part.pictures)}
                for part in parts
            ],
            "start": start(chosen),
            "notes": notes,
        }
        write_text(folder / "index.html", page([part.title for part in parts]))
        write_text(folder / "page.js", script(content))
    return Exported(notes, *measure(target))


def doubts(library: Library) -> list[str]:
    """The problems of the whole folder, without the place of that folder."""
    folders = [library.results, library.fallback or library.results]
    return [f"Problem: {printable(inside(problem, *folders))}" for problem in library.problems]


def write_part(folder: Path, part: Part, step: Callable[[int], None]) -> None:
    """The scripts with the data of a data set."""
    place, shelf = f"data/{part.number}", part.shelf

    def write(name: str, content: Any) -> None:
        write_text(folder / f"{place}/{name}.js", data(f"{place}/{name}.js", content))

    (folder / place).mkdir(parents=True)
    write("images", images(shelf))
    write("results", render_results(shelf).replace(' href="?', ' href="#'))
    for number, packed in enumerate(part.pictures.scripts(len(shelf.pictures), step)):
        write(f"pictures-{number}", packed)
    for number, run in enumerate(shelf.browsable):
        write(f"run-{number}", retrieval(shelf, run.name, part.every, step))


def write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def work(part: Part) -> int:
    """How many pictures and queries are written."""
    runs = [open_run(part.shelf, run.name) for run in part.shelf.browsable]
    return len(part.shelf.pictures) + sum(len(run.hits) for run in runs)


def counted(total: int, report: Progress | None) -> Callable[[int], None]:
    """A function that reports the sum of what it was called with."""
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if report:
            report(done, total)

    return step


def notes_on(part: Part) -> list[str]:
    """What the export holds of a data set, and what of it is left out."""
    shelf, browsed = part.shelf, part.shelf.browsable
    runs = [open_run(shelf, run.name) for run in browsed]
    methods = {method_key(run) for run in browsed}
    kept = max(run.hits.shape[1] for run in runs)
    (height, width), pictures = shelf.pictures.size, part.pictures
    found = [
        f"Runs to browse: {len(runs)} of {len(part.every.runs)}; methods: {len(methods)} of "
        f"{len(part.every.methods)}. Runs in tables and curves: {len(shelf.runs)}."
    ]
    if shelf.methods.keys() != part.every.methods.keys() and shelf.losses > 1:
        found.append(
            "Verdicts and marks are corrected for the pairs of these methods alone, unless seeds "
            "were added until pairs were decided; the report, of all methods, may leave a pair "
            "undecided that is decided here."
        )
    if kept > NEIGHBORS:
        found.append(f"Of {kept} stored neighbors of a query, the {NEIGHBORS} nearest.")
    if (pictures.height, pictures.width) != (height, width):
        small = f"{pictures.height} x {pictures.width}"
        found.append(f"Pictures of {small} pixels, where {height} x {width} are stored.")
    if any(run.keeps_embeddings and not has_ranks(run) for run in runs):
        found.append("No ranks beyond the stored neighbors: of so many images they take too long.")
    without = [shelf.run_labels[run.name] for run in browsed if map_of(shelf, run.name) is None]
    if without:
        found.append(f"No map of {', '.join(without)}: neither it nor embeddings are stored.")
    return [f"{part.title}: {sentence}" for sentence in found]


def left_out(library: Library, chosen: Library) -> list[str]:
    """The data sets without a run in the export."""
    kept = {shelf.key for shelf in chosen.shelves}
    return [f"{title}: left out." for key, title in library.titles.items() if key not in kept]
