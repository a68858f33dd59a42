"""Images and the points of maps over HTTP, addressed by whole numbers only: no address can name a
file."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.store.runs import StoredRunError
from bench.store.thumbnails import Thumbnails
from demo.history import read_pictures, validation_split
from demo.library import Library, Shelf, number_of
from demo.maps import Points, open_map, open_moving, run_number
from demo.own.folder import NUMBER
from demo.view import to_int

# The address holds a digest of the images, so a picture in a browser's cache is never wrong.
HEADERS = {"Cache-Control": "private, max-age=31536000, immutable"}


def picture_route(current: Callable[[], Library]) -> Route:
    """`/picture/<shelf>/<digest>/<position>`: an image, or 404 for any other numbers or text."""

    def answer(request: Request) -> Response:
        found = find_picture(current(), request.path_params)
        if found is None:
            return Response("no such picture", status_code=404, media_type="text/plain")
        body, media_type = found
        return Response(body, media_type=media_type, headers=HEADERS)

    return Route("/picture/{shelf}/{digest}/{position}", answer, methods=["GET"])


def find_picture(library: Library, numbers: Mapping[str, str]) -> tuple[bytes, str] | None:
    """The image file at those numbers and its media type, None if there is none."""
    position = to_int(numbers["position"])
    try:
        pictures = pictures_at(library, to_int(numbers["shelf"]), numbers["digest"])
    except StoredRunError:  # the page shows what is wrong with the file
        return None
    if pictures is None or position is None or not 0 <= position < len(pictures.labels):
        return None
    return pictures.encoded(position)


def pictures_at(library: Library, number: int | None, digest: str) -> Thumbnails | None:
    """The pictures of a shelf or of the visitor's folder that have a digest; raises as
    `pictures_with`."""
    if number == NUMBER:
        own = library.folder.pictures if library.folder else None
        return own if own is not None and digest == str(number_of(own)) else None
    shelf = library.numbered(number)
    return pictures_with(shelf, digest) if shelf else None


def pictures_with(shelf: Shelf, digest: str) -> Thumbnails | None:
    """The test or validation images of a shelf that have a digest.

    Raises: StoredRunError if some are missing or damaged.
    """
    if digest == str(shelf.picture_digest):
        return shelf.pictures
    splits = {validation_split(run) for run in shelf.runs if run.keeps_history}
    packs = (read_pictures(shelf, split) for split in sorted(splits))
    return next((pack for pack in packs if digest == str(number_of(pack))), None)


def points_route(current: Callable[[], Library]) -> Route:
    """`/points/<kind>/<shelf>/<run>/<digest>`: the bytes of `Points`, or 404 for anything else.

    kind: 0 for the test images of a run, 1 for its validation images at every kept step.
    """

    def answer(request: Request) -> Response:
        found = find_points(current(), request.path_params)
        if found is None:
            return Response("no such points", status_code=404, media_type="text/plain")
        return Response(found.content, media_type="application/octet-stream", headers=HEADERS)

    return Route("/points/{kind}/{shelf}/{run}/{digest}", answer, methods=["GET"])


def find_points(library: Library, numbers: Mapping[str, str]) -> Points | None:
    """The points at those numbers, None if there are none."""
    shelf, number = library.numbered(to_int(numbers["shelf"])), to_int(numbers["run"])
    names = [run.name for run in shelf.runs if run_number(run.name) == number] if shelf else []
    if shelf is None or not names or numbers["kind"] not in ("0", "1"):
        return None
    try:
        shown = (
            open_map(shelf, names[0]) if numbers["kind"] == "0" else open_moving(shelf, names[0])
        )
    except StoredRunError:  # the page shows what is wrong
        return None
    return shown.points if numbers["digest"] == str(shown.points.digest) else None
