"""Own image: the test images that a run's network finds nearest to images of the visitor."""

from base64 import b64encode
from typing import Any

import numpy as np

from bench.cli.listing import model_path
from bench.datasets.files.prepare import whole_note
from bench.store.mapped import give_back
from bench.store.runs import Run, StoredRunError
from bench.store.thumbnails import encode
from demo.library import Library, Shelf
from demo.missed import embeddings_of
from demo.nearest import nearest
from demo.own.embedding import header_of, preparation
from demo.own.uploads import HOURS, LARGEST_FILE, MOST, Upload, megabytes
from demo.pictures import Picture, Tile, tile
from demo.render import render
from demo.retrieved import Retrieved, open_run
from demo.view import View, write_address


def show(library: Library, view: View) -> str:
    """The upload of the view with the images nearest to one of its images, or how to begin."""
    shelf = library.shelf(view.shelf)
    retrieved = open_run(shelf, view.run)
    missing = what_is_missing(retrieved)
    upload = None if missing else library.uploads.find(view.own)
    return render(
        "own.html",
        view=view,
        missing=missing,
        others=able_runs(shelf, view) if missing else (),
        target=write_address(view, own="", mine=0),
        lost=bool(view.own) and not missing and upload is None,
        most=MOST,
        largest=LARGEST_FILE,
        size=megabytes(LARGEST_FILE),
        hours=HOURS,
        images=() if upload is None else uploaded(upload, view),
        found=None if upload is None else search(shelf, retrieved, upload, view),
    )


def what_is_missing(retrieved: Retrieved) -> str:
    """Why a run cannot search with new images, and what to do; empty if it can."""
    run = retrieved.run
    try:
        model_path(run)
    except ValueError as error:
        return f"{error}."
    if not retrieved.keeps_embeddings:
        return (
            f"{run.name} has no embeddings of its test images: {run.files.embeddings.name} was "
            "removed; delete its folder and run its suite again."
        )
    return ""


def able_runs(shelf: Shelf, view: View) -> list[tuple[str, str]]:
    """Labels and addresses of the runs of a shelf that can search with new images."""
    return [
        (shelf.run_labels[run.name], write_address(view, run=run.name))
        for run in shelf.browsable
        if {run.files.model.name, run.files.embeddings.name, run.files.queries.name}
        <= set(run.digests)
    ]


def uploaded(upload: Upload, view: View) -> list[tuple[str, str]]:
    """Names and addresses of the images of an upload."""
    return [
        (image.name, write_address(view, mine=position))
        for position, image in enumerate(upload.images)
    ]


def search(shelf: Shelf, retrieved: Retrieved, upload: Upload, view: View) -> dict[str, Any] | None:
    """What the page shows of an image of an upload; None if the run has not embedded it.

    Raises: StoredRunError if embeddings and pictures are not of the same images.
    """
    embedded = upload.embedded.get(retrieved.run.digest)
    if embedded is None or len(embedded.vectors) != len(upload.images):
        return None
    mine = min(view.mine, len(upload.images) - 1)
    vectors, _ = embeddings_of(retrieved)
    check_sizes(retrieved.run, vectors, embedded.vectors, len(retrieved.pictures))
    positions, cosines = nearest(vectors, embedded.vectors[mine], view.neighbors)
    give_back(vectors)
    header = header_of(retrieved.run)
    return {
        "mine": mine,
        "name": upload.images[mine].name,
        "pictures": [
            data_picture(pixels, f"{view.own}-{number}")
            for number, pixels in enumerate(embedded.pixels)
        ],
        "preparation": preparation(header),
        "exact": header.spec.resize is not None,
        "dataset": header.spec.dataset,
        "whole": whole_note(header.spec.dataset),
        "count": len(vectors),
        "cards": cards(shelf, retrieved, view, positions, cosines),
    }


def check_sizes(run: Run, vectors: np.ndarray, own: np.ndarray, pictures: int) -> None:
    """The embeddings must be those of the pictures, and of the network's size."""
    if len(vectors) != pictures or vectors.shape[1] != own.shape[1]:
        raise StoredRunError(
            f"{run.files.embeddings} has shape {vectors.shape}, expected "
            f"{(pictures, own.shape[1])}; delete {run.directory} and run its suite again"
        )


def cards(
    shelf: Shelf, retrieved: Retrieved, view: View, positions: np.ndarray, cosines: np.ndarray
) -> list[tuple[int, Tile, float]]:
    """Rank, image and cosine of each neighbor; it leads to itself as the query of Explore."""
    leads = {"tab": "explore", "own": "", "mine": 0}
    return [
        (rank, tile(shelf, retrieved, view, position, **leads), cosine)
        for rank, (position, cosine) in enumerate(
            zip(positions.tolist(), cosines.tolist(), strict=True), start=1
        )
    ]


def data_picture(pixels: np.ndarray, key: str) -> Picture:
    """An image whose address holds its file."""
    kind = "PNG" if max(pixels.shape[:2]) <= 64 else "JPEG"
    data = b64encode(encode(pixels, kind)).decode()
    return Picture(f"data:image/{kind.lower()};base64,{data}", key, *pixels.shape[:2])
