"""The pictures of an export, many in one script: a page from disk may run scripts beside it, and
show pictures beside it, but may not read those, which a list saved as PNG needs."""

import io
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bench.store.thumbnails import Thumbnails

MOST = 48 * 2**20  # bytes of pictures of a data set; beyond, they are made smaller
SIDES = (96, 64, 48)  # pixels of the longer side of smaller ones
SAMPLE = 100  # pictures whose bytes are measured
SCRIPT = 96 * 1024  # bytes of pictures in one script


@dataclass(frozen=True, eq=False)
class Pictures:
    """How an export shows the pictures of a data set: height and width, their media type, how many
    are in each script, and `file` of a position."""

    height: int
    width: int
    media: str
    together: int
    file: Callable[[int], bytes]

    def scripts(self, count: int, step: Callable[[int], None]) -> Iterator[list[str]]:
        """The content of each script: pictures in base64; step: called with how many these are."""
        for start in range(0, count, self.together):
            positions = range(start, min(start + self.together, count))
            yield [b64encode(self.file(position)).decode() for position in positions]
            step(len(positions))


def fit(stored: Thumbnails, most: int = MOST) -> Pictures:
    """Pictures as they are stored if they have at most `most` bytes, otherwise the largest of
    `SIDES` that do, or the smallest."""
    height, width = stored.size
    choices = [(height, width), *smaller(height, width)]
    positions = np.linspace(0, len(stored) - 1, min(SAMPLE, len(stored))).astype(int).tolist()
    for size in choices:
        found = at_size(stored, size)
        mean = sum(len(found.file(position)) for position in positions) / len(positions)
        if mean * len(stored) <= most:
            break
    together = max(1, int(SCRIPT / mean))
    return Pictures(found.height, found.width, found.media, together, found.file)


def smaller(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of the same shape whose longer side is one of `SIDES`."""
    longer = max(height, width)
    return [
        (max(1, height * side // longer), max(1, width * side // longer))
        for side in SIDES
        if side < longer
    ]


def at_size(stored: Thumbnails, size: tuple[int, int]) -> Pictures:
    """Pictures of a height and width; of another size than the stored ones they are WebP files,
    which have the least beside their pixels."""
    if size == stored.size:
        media = stored.encoded(0)[1]
        return Pictures(*size, media, 1, lambda position: stored.encoded(position)[0])

    def file(position: int) -> bytes:
        with Image.open(io.BytesIO(stored.encoded(position)[0])) as image:
            small = image.convert("RGB").resize(size[::-1], Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=70, method=2)
        return buffer.getvalue()

    return Pictures(*size, "image/webp", 1, file)
