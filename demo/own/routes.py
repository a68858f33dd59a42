"""Uploads over HTTP: one request for each image, and one that embeds them by a run's network."""

from collections.abc import Callable, Mapping
from threading import BoundedSemaphore

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo.library import Library
from demo.own.embedding import ONE, embed, header_of, network_input
from demo.own.uploads import Embedded, Uploads
from demo.serving.guard import ADD, EMBED
from demo.view import read_view

# Requests that wait or are worked on, each in a thread; the page and its pictures need the others.
MOST_ADDING, MOST_EMBEDDING = 8, 4
BUSY = "The images of other visitors are still waiting; try again in a minute"


def own_routes(uploads: Uploads, current: Callable[[], Library]) -> list[Route]:
    """POST `/own/add?own=ID&name=NAME` with an image keeps it in an upload; POST `/own/embed?` with
    the address of a view embeds that upload. Both answer as `answered`."""
    adding, embedding = BoundedSemaphore(MOST_ADDING), BoundedSemaphore(MOST_EMBEDDING)

    async def add(request: Request) -> Response:
        own, name = (request.query_params.get(key, "") for key in ("own", "name"))
        data = await request.body()
        return await answered(lambda: uploads.add(own, name, data), adding)

    async def embed_upload(request: Request) -> Response:
        parameters = dict(request.query_params)
        return await answered(lambda: embed_for(current(), parameters), embedding)

    return [Route(ADD, add, methods=["POST"]), Route(EMBED, embed_upload, methods=["POST"])]


async def answered(work: Callable[[], str], free: BoundedSemaphore) -> Response:
    """The `own` id that some work gives, or the words of its ValueError as a `problem`.

    Its status is 200 as well: browsers list every other one as an error of the page. 503 if
    nothing is free.
    """
    if not free.acquire(blocking=False):
        return PlainTextResponse(BUSY, status_code=503)
    try:
        return JSONResponse({"own": await run_in_threadpool(work)})
    except ValueError as error:
        return JSONResponse({"problem": str(error)})
    finally:
        free.release()


def embed_for(library: Library, parameters: Mapping[str, object]) -> str:
    """Embed the upload of a view by the network of its run, unless that was done; returns its id.

    Raises: ValueError in words for the visitor.
    """
    view = read_view(library, parameters)
    run, upload = library.shelf(view.shelf).run(view.run), library.uploads.find(view.own)
    if upload is None:
        raise ValueError("These images are no longer here; upload them again")
    images = list(upload.images)
    done = upload.embedded.get(run.digest)
    if done is None or len(done.vectors) != len(images):
        header = header_of(run)
        with ONE:  # decoded images may be large
            pixels = [
                network_input(image.name, library.uploads.decoded(image), header)
                for image in images
            ]
        library.uploads.keep(view.own, run.digest, Embedded(np.stack(pixels), embed(run, pixels)))
    return view.own
