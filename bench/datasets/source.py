"""What is known about a data set before it is loaded: origin, terms, and how to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.files.progress import Progress
from bench.datasets.types import Dataset


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
class Archive:
    """One official archive that its user gets by hand: where to put it, and where it is unpacked.

    ``path`` and the folder ``into``, which has the name of the archive's main folder, are under the
    data root; a file that is no archive has its own path for ``into``. ``checksum`` as that of a
    Download, None where none is published.
    """

    path: str
    checksum: str | None
    into: str


@dataclass(frozen=True)
class Source:
    """A data set's papers, loader and check.

    ``load`` takes the data root (not used by an embedded set) and a protocol. ``check`` takes the
    data root and a Progress, and returns what is wrong, in words. ``fingerprints`` pins, per
    protocol, what Dataset.fingerprint must be; a user's own images have none. ``files`` are the
    official archives that ``data download`` fetches. Where that needs consent or the official
    address is dead, ``by_hand`` says what to get from whom and where to put it, and ``archives``
    are what it then verifies and unpacks. ``photographs``: the images are decoded at a size that
    the suite states.
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
    photographs: bool = False
    by_hand: str = ""
    archives: tuple[Archive, ...] = ()
