"""`proxy-bench demo --export`: chosen runs of a results folder as pages that open from disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.store.runs import Progress
from demo.export.choice import choose
from demo.export.content import describe, has_ranks, images, retrieval, start
from demo.export.folder import files_in, is_zip, new_export
from demo.export.page import data, page, script
from demo.export.pictures import Pictures, fit
from demo.library import Library, Shelf
from demo.retrieved import open_run
from demo.tabs.results import render_results
from demo.view import NEIGHBORS


@dataclass(frozen=True)
class Exported:
    """What was written: sentences on what it holds and leaves out, and its size."""

    notes: list[str]
    files: int
    size: int


def export(
    library: Library, target: Path, names: Sequence[str] = (), report: Progress | None = None
) -> Exported:
    """Write runs of a library as a folder, or a file if `target` ends in .zip.

    names: of the runs, one seed of each method if there are none; report: called with the number
    of pictures and queries that are done, and of all.
    Raises: ValueError as `choose` and `new_export`, StoredRunError if a run cannot be read; nothing
    is written then.
    """
    chosen = choose(library, names)
    packs = [fit(shelf.pictures) for shelf in chosen.shelves]
    step = counted(sum(map(work, chosen.shelves)), report)
    with new_export(target) as folder:
        notes = [
            sentence
            for shelf, pictures in zip(chosen.shelves, packs, strict=True)
            for sentence in notes_on(shelf, pictures, chosen.titles[shelf.key])
        ]
        for number, (shelf, pictures) in enumerate(zip(chosen.shelves, packs, strict=True)):
            write_shelf(folder, f"data/{number}", shelf, library.shelf(shelf.key), pictures, step)
        content = {
            "shelves": [
                {"title": chosen.titles[shelf.key], **describe(shelf, number, pictures)}
                for number, (shelf, pictures) in enumerate(zip(chosen.shelves, packs, strict=True))
            ],
            "start": start(chosen),
            "notes": notes,
        }
        (folder / "index.html").write_text(page(), encoding="utf-8")
        (folder / "page.js").write_text(script(content), encoding="utf-8")
        count, size = len(files_in(folder)), sum(path.stat().st_size for path in files_in(folder))
    if is_zip(target):
        size = target.stat().st_size
    return Exported(notes, count, size)


def write_shelf(
    folder: Path,
    path: str,
    shelf: Shelf,
    every: Shelf,
    pictures: Pictures,
    step: Callable[[int], None],
) -> None:
    """The scripts with the data of a data set; every: it with all its runs."""

    def write(name: str, content: Any) -> None:
        place = f"{path}/{name}.js"
        (folder / place).write_text(data(place, content), encoding="utf-8")

    (folder / path).mkdir(parents=True)
    write("images", images(shelf))
    write("results", render_results(shelf).replace(' href="?', ' href="#'))
    for number, packed in enumerate(pictures.scripts(len(shelf.pictures), step)):
        write(f"pictures-{number}", packed)
    for number, run in enumerate(shelf.browsable):
        write(f"run-{number}", retrieval(shelf, run.name, every, step))


def work(shelf: Shelf) -> int:
    """How many pictures and queries are written."""
    queries = len(open_run(shelf, shelf.chosen[0]).hits)
    return len(shelf.pictures) + len(shelf.browsable) * queries


def counted(total: int, report: Progress | None) -> Callable[[int], None]:
    """A function that reports the sum of what it was called with."""
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if report:
            report(done, total)

    return step


def notes_on(shelf: Shelf, pictures: Pictures, title: str) -> list[str]:
    """What the export holds of a data set, and what of it is left out."""
    runs = [open_run(shelf, run.name) for run in shelf.browsable]
    kept = max(run.hits.shape[1] for run in runs)
    found = [f"{title}: {len(runs)} of {len(shelf.runs)} runs to browse; results are of all."]
    if kept > NEIGHBORS:
        found.append(f"{title}: the {NEIGHBORS} nearest of the {kept} kept neighbors of a query.")
    if (pictures.height, pictures.width) != shelf.pictures.size:
        height, width = shelf.pictures.size
        found.append(
            f"{title}: pictures of {pictures.height} x {pictures.width} pixels instead of "
            f"{height} x {width}."
        )
    if any(run.keeps_embeddings and not has_ranks(run) for run in runs):
        found.append(f"{title}: too many images for the ranks of all that should be found.")
    return found
