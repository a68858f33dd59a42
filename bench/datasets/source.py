"""What is known about a data set before it is loaded: origin, terms, and how to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.files.work import Progress
from bench.datasets.types import Dataset


@dataclass(frozen=True)
class Download:
    """One official archive that the suite downloads.

    ``path`` is relative to the data root, ``checksum`` is "md5:<hex>" or "sha256:<hex>", ``size``
    is in bytes.
    """

    url: str
    path: str
    checksum: str
    size: int


@dataclass(frozen=True)
class Archive:
    """One official archive that users get by hand.

    ``path`` and the folder ``into``, which has the name of the archive's main folder, are relative
    to the data root. For a file that is not an archive, ``into`` is its own path. ``checksum`` is
    that of a Download, or None if none is published.
    """

    path: str
    checksum: str | None
    into: str


@dataclass(frozen=True)
class Source:
    """A data set's papers, loader and check.

    load: from a data root (not used by an embedded set) and a protocol to the data set.
    check: from a data root and a progress callback to the problems found, one sentence each;
    without it, all photographs are compared with their list of names and decoded.
    left_out: from a data root and the loaded data set to what its folder holds beside it, with the
    reason; for a user's own images.
    fingerprints: by protocol, the pinned Dataset.fingerprint; None for a user's own images.
    files: the official archives that `data download` fetches.
    by_hand: if consent is needed or the official address is dead, what to get from whom and where
    to put it; ``archives`` are then verified and unpacked.
    photographs: whether images are decoded at a size that the suite states.
    """

    title: str
    description: str
    licence: str
    citation: str
    homepage: str
    fingerprints: Mapping[str, str | None]
    load: Callable[[Path | None, str], Dataset]
    check: Callable[[Path | None, Progress], list[str]] | None = None
    left_out: Callable[[Path | None, Dataset], str] | None = None
    embedded: bool = False
    photographs: bool = False
    files: tuple[Download, ...] = ()
    by_hand: str = ""
    archives: tuple[Archive, ...] = ()

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of the protocols, the data set's main one first."""
        return tuple(self.fingerprints)
