"""Tiny photographs under given names, for data sets whose pictures are not here."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from bench.datasets.files import verify
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import Progress


def jpeg(width: int = 4, height: int = 3) -> bytes:
    """A JPEG file of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def fill(folder: Path, names: Iterable[str]) -> None:
    """The same tiny JPEG file under every name: hard links, since tens of thousands are made."""
    folder.mkdir(parents=True, exist_ok=True)
    one = folder / "one.bin"
    one.write_bytes(jpeg())
    made: set[str] = set()
    for name in names:
        parent = name.rpartition("/")[0]
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        os.link(one, folder / name)
    one.unlink()


def replace(path: Path, data: bytes) -> None:
    """Other contents under a name, without touching the files it is linked to."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def decode_only(names: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checks decode these photographs only, because all of them would take many seconds."""
    chosen, broken = set(names), verify.broken

    def some(photographs: Photographs, report: Progress) -> list[str]:
        few = [i for i, name in enumerate(photographs.names) if name in chosen]
        return broken(photographs.only(few), report)

    monkeypatch.setattr(verify, "broken", some)


def quiet(done: int, total: int) -> None:
    """A progress callback that shows nothing."""
