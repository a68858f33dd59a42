"""The test images over HTTP, addressed by whole numbers only: no address can name a file."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.store.runs import StoredRunError
from demo.library import Library
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
    shelf, position = library.numbered(to_int(numbers["shelf"])), to_int(numbers["position"])
    if shelf is None or position is None:
        return None
    try:
        pictures, expected = shelf.pictures, str(shelf.picture_digest)
    except StoredRunError:  # the page shows what is wrong with the file
        return None
    known = numbers["digest"] == expected and 0 <= position < len(pictures.labels)
    return pictures.encoded(position) if known else None
