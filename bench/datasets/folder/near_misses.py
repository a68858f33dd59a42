"""Which file a path without a file was probably meant to be."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote

from bench.datasets.files.verify import within


@dataclass(frozen=True)
class FolderNames:
    """The files in and below a folder, which are listed when the first path has no file."""

    folder: Path

    def near_miss(self, path: str) -> str:
        """What to write instead of a path without a file; empty if no file has a similar one."""
        for key in _keys(path, self.folder.resolve().name):
            found = self._by_key.get(key, [])
            if len(found) == 1:
                other = found[0]
                if normalize("NFC", other) == normalize("NFC", path):
                    return "the name that is there is in another Unicode form (NFC or NFD); copy it"
                return f"did you mean {other!r}?"
        return ""

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        """Paths by everything that a path similar to them may be reduced to."""
        found: dict[str, list[str]] = {}
        for place, _, names in os.walk(self.folder):
            for name in names:
                path = within(self.folder, os.path.join(place, name))
                for key in dict.fromkeys([_plain(path), _without_suffix(path), _plain(name)]):
                    found.setdefault(key, []).append(path)
        return found


def _keys(path: str, folder: str) -> Iterator[str]:
    """What a path may be reduced to, the most similar first."""
    parts = PurePosixPath(path).parts
    if not parts:
        return
    yield _plain(path)
    yield _plain(unquote(path))
    if _plain(folder) in [_plain(part) for part in parts]:
        after = [_plain(part) for part in parts].index(_plain(folder)) + 1
        yield _plain("/".join(parts[after:]))
    yield _without_suffix(path)
    yield _plain(parts[-1])


def _plain(path: str) -> str:
    """A path in one Unicode form and in small letters."""
    return normalize("NFC", path).casefold().strip()


def _without_suffix(path: str) -> str:
    return _plain(str(PurePosixPath(path).with_suffix(""))) + "."
