"""Market-1501's folders against what was published: whose photographs are there and whose not."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.datasets.market1501.contents import (
    DISTRACTORS,
    FOLDERS,
    IDENTITIES,
    IMAGES,
    JUNK_IMAGES,
    NAMES,
    QUERIES,
)

# Identity and camera in a name such as 0002_c1s1_000451_03.jpg; 24 of those published end twice.
_NAME = re.compile(r"(-1|\d{4})_c([1-6])s\d_\d{6}_\d{2}\.jpg(?:\.jpg)?")
_ASK = "get the official archive: `proxy-bench data download market1501` says where"

Names = dict[str, list[str]]  # of photographs, by folder


def read_names(folder: Path) -> tuple[Names, list[str]]:
    """The photographs in the three folders, sorted by name, and other files that end in .jpg.

    Raises FileNotFoundError naming the folders that are missing, ValueError for a re-packed copy.
    """
    absent = [part for part in FOLDERS if not (folder / part).is_dir()]
    if absent and (folder / "pytorch").is_dir():
        raise ValueError(
            f"{folder} is a re-packed copy: photographs sorted by identity in pytorch/; {_ASK}"
        )
    if absent:
        raise FileNotFoundError(
            f"market1501 is not complete: {', '.join(absent)} missing from {folder}; {_ASK}"
        )
    names: Names = {}
    others = []
    for part in FOLDERS:
        found = sorted(name for name in os.listdir(folder / part) if name.endswith(".jpg"))
        names[part] = [name for name in found if _NAME.fullmatch(name)]
        others += [
            f"{folder / part}: {name} does not belong here"
            for name in found
            if not _NAME.fullmatch(name)
        ]
    return names, others


def identity_and_camera(name: str) -> tuple[int, int]:
    """Identity (-1 junk, 0 distractors, 1 to 1501) and camera (1 to 6) from a photograph's name."""
    found = _NAME.fullmatch(name)
    assert found is not None
    return int(found[1]), int(found[2])


def differences(folder: Path, names: Mapping[str, Sequence[str]]) -> list[str]:
    """In words, where the photographs there are not those published, by identity."""
    problems = []
    for part, expected in _published().items():
        found = Counter(identity_and_camera(name)[0] for name in names[part])
        digest = hashlib.sha256("\n".join(names[part]).encode()).hexdigest()
        counted = [
            f"{folder / part}: photographs of {_called(identity)}: {found[identity]:,}, published "
            f"are {expected[identity]:,}"
            for identity in sorted(found.keys() | expected.keys())
            if found[identity] != expected[identity]
        ]
        problems += _trimmed(folder / part, found, expected) or counted
        if not counted and digest != NAMES[part]:
            problems.append(f"{folder / part}: names are not those published{_hint(names[part])}")
    return problems


def _published() -> dict[str, Counter[int]]:
    """How many photographs each identity has in each folder."""
    parts: dict[str, Counter[int]] = {part: Counter() for part in FOLDERS}
    for identity in range(1, IDENTITIES + 1):
        images = int(IMAGES[2 * identity - 2 : 2 * identity], 16)
        queries = int(QUERIES[identity - 1])
        parts["bounding_box_test" if queries else "bounding_box_train"][identity] = images
        parts["query"][identity] = queries
    parts["bounding_box_test"].update({-1: JUNK_IMAGES, 0: DISTRACTORS})
    return parts


def _trimmed(folder: Path, found: Counter[int], expected: Counter[int]) -> list[str]:
    """One problem for a folder that is empty, or from which those of no person were taken."""
    gone = [identity for identity in (-1, 0) if expected[identity] and not found[identity]]
    if not found:
        what = "holds no photograph"
    elif gone:
        what = f"is a trimmed copy without its {' and '.join(map(_called, gone))}"
    else:
        return []
    counted = f"{found.total():,} photographs, published are {expected.total():,}"
    return [f"{folder} {what}: {counted}; {_ASK}"]


def _called(identity: int) -> str:
    return {-1: "junk (-1)", 0: "distractors (0000)"}.get(identity, f"identity {identity:04d}")


def _hint(names: Sequence[str]) -> str:
    twice = any(name.endswith(".jpg.jpg") for name in names)
    return "" if twice else "; some of those end in .jpg.jpg and may have been renamed"
