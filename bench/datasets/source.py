"""What is known about a data set before it is loaded: origin, terms, and how to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.base import Dataset

Progress = Callable[[int, int], None]  # images checked so far, images in all


@dataclass(frozen=True)
class Download:
    """One official archive: its address, its place under the data root, and how to know it again.

    ``checksum`` is "md5:<hex>" or "sha256:<hex>"; ``size`` is in bytes.
    """

    url: str
    path: str
    checksum: str
    size: int


@dataclass(frozen=True)
class Source:
    """A data set's papers, loader and check.

    ``load`` takes the data root (not used by an embedded set) and a protocol. ``check`` takes the
    data root and a Progress, and returns what is wrong, in words. ``fingerprints`` pins, per
    protocol, what Dataset.fingerprint must be. ``files`` are what ``data download`` fetches.
    """

    title: str
    description: str
    licence: str
    citation: str
    homepage: str
    embedded: bool
    protocols: tuple[str, ...]
    fingerprints: Mapping[str, str]
    files: tuple[Download, ...]
    load: Callable[[Path | None, str], Dataset]
    check: Callable[[Path | None, Progress], list[str]]
