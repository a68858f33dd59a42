"""Made-up photographs in folders and zip archives, for tests of what reads them."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.datasets.files.photographs import OpenPlace, Photographs
from bench.datasets.files.work import Report, quiet
from bench.datasets.images import DecodedPhotographs

NAMES = tuple(f"{i // 4}/größe {i}.png" for i in range(11))


def picture(seed: int, kind: str = "PNG") -> bytes:
    """A small image file of random colours, whose sides are 5 to 12 pixels."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(5, 13, 2)
    pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_pictures(folder: Path, names: Iterable[str], first: int = 0) -> tuple[str, ...]:
    """One picture for each name, in folders that are made; returns the names."""
    found = tuple(names)
    for seed, name in enumerate(found, start=first):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed))
    return found


def pack(archive: Path, folder: Path, names: Sequence[str], inside: str) -> None:
    """The files of a folder in a zip archive, under a folder inside it."""
    with zipfile.ZipFile(archive, "w") as packed:
        packed.mkdir(inside)
        for name in names:
            packed.writestr(f"{inside}/{name}", (folder / name).read_bytes())


def count_work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that receives the position of every photograph decoded from now on, unordered."""
    positions: list[int] = []
    plain = Photographs.pixels

    def counted(
        self: Photographs,
        place: OpenPlace,
        position: int,
        *rest: Any,
    ) -> np.ndarray:
        positions.append(position)
        return plain(self, place, position, *rest)

    monkeypatch.setattr(Photographs, "pixels", counted)
    return positions


def decoded(
    photographs: Photographs, side: int, report: Report = quiet, name: str = "zoo"
) -> DecodedPhotographs:
    """The photographs at a shorter side of `side` pixels, of which a square is seen."""
    return photographs.prepare(name, side, side, report)


def check_decoded(photographs: Photographs, side: int) -> None:
    """Every position of the cache must be what decoding that photograph gives."""
    found = decoded(photographs, side)
    assert len(found) == len(photographs)
    assert found.checksum == photographs.checksum
    with photographs.opened() as place:
        for i in range(len(photographs)):
            np.testing.assert_array_equal(found[i], photographs.pixels(place, i, side))


def parts(cache: Path) -> dict[Path, bytes]:
    """The complete parts of the cache and their bytes."""
    return {path: path.read_bytes() for path in sorted(cache.rglob("*.rgb"))}
