"""Lake's twenty runs of one-shot classification: read, checked, found again in the data set."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.datasets.files.archives import read_entries
from bench.datasets.omniglot.drawings import SIDE, SMALL, shrink
from bench.datasets.omniglot.reading import LARGEST, decode_drawings, differences
from bench.datasets.splits import OneShot

PLACE = "omniglot/all_runs.zip"
WAYS = 20  # drawings to choose from in a run, one a character, and as many to classify
_DIGITS = 16

# Of each run the first hex digits of the SHA-256 of its 40 drawings and its answers.
RUN_DIGESTS = (
    "daa44e95870fbb81139674c3036276e016acda3010d197beace721e6c1792e2095452adc84835d87"
    "6483bdbe7e6a978e53d28dd8501d4544140fe2c2f48e19c047eae1d84ffe0a5fa13c38f841e8654e"
    "1eb0f198622ac931a5d57f7763631b3209240d60e0b3c4ee844f4fd6b835d2744be3eae4e6880ee8"
    "4078b2532ccf00123ac8c3e6ed1a20d20f03106dde6b2367ed95a0d59888dfdb02c296b1cfeb6342"
)


class Runs(NamedTuple):
    """R runs: images (R, 40, 28, 28) uint8, those to classify first; truth (R, 20) in 0..19.

    ``problems`` says in words what is not as published; what it is about is blank.
    """

    images: np.ndarray
    truth: np.ndarray
    problems: list[str]


def read_one_shot(root: Path, images: np.ndarray, test: np.ndarray) -> OneShot | None:
    """The runs as positions into the data set; None where there is no all_runs.zip.

    images (N, 28, 28) uint8; test (n,) int64: where the drawings of the 20 evaluation alphabets,
    among which the runs' are, stand. No two of these look alike, not even when made small, so that
    a drawing is found by its pixels. Raises ValueError for anything but the published runs.
    """
    place = root / PLACE
    if not place.exists():
        return None
    runs = examine_runs(place)
    if runs.problems:
        more = f" (and {len(runs.problems) - 1:,} more problems)" if runs.problems[1:] else ""
        raise ValueError(
            f"omniglot's one-shot runs are not as published: {runs.problems[0]}{more}; delete "
            f"{place.name} and download it again, or go without the runs"
        )
    known = {images[position].tobytes(): position for position in test.tolist()}
    found = np.array([[known[image.tobytes()] for image in run] for run in runs.images])
    return OneShot(support=found[:, WAYS:], query=found[:, :WAYS], truth=runs.truth)


def examine_runs(place: Path) -> Runs:
    """Read every run from the zip archive and compare it with the published one."""
    contents, broken = read_entries(place, LARGEST)
    problems = list(broken.values())
    if "" not in broken:
        problems += differences(place, run_names(), contents.keys() | broken.keys())
    runs = len(run_names())
    images = np.zeros((runs, 2 * WAYS, SMALL, SMALL), dtype=np.uint8)
    truth = np.zeros((runs, WAYS), dtype=np.int64)
    for run, names in enumerate(run_names()):
        drawings, wrong = decode_drawings(names[:-1], contents)
        answers = contents.get(names[-1], b"").split()
        published = RUN_DIGESTS[_DIGITS * run : _DIGITS * (run + 1)]
        if digest(drawings, answers) == published:
            images[run] = shrink(drawings.reshape(-1, SIDE, SIDE))
            truth[run] = _truth(names, answers)
        elif not wrong and set(names) <= set(contents):
            wrong = [f"{names[-1].split('/')[0]} is not the published one"]
        problems += [f"{place}: {text}" for text in wrong]
    return Runs(images, truth, problems)


def run_names() -> list[list[str]]:
    """Of each run 20 drawings to classify, 20 to choose from, and the file of the answers."""
    numbers = range(1, WAYS + 1)
    runs = [f"run{number:02d}" for number in range(1, len(RUN_DIGESTS) // _DIGITS + 1)]
    return [
        [f"{run}/test/item{number:02d}.png" for number in numbers]
        + [f"{run}/training/class{number:02d}.png" for number in numbers]
        + [f"{run}/class_labels.txt"]
        for run in runs
    ]


def digest(drawings: np.ndarray, answers: list[bytes]) -> str:
    """What RUN_DIGESTS holds of drawings (40, 105 * 105) bool and the words of class_labels.txt."""
    packed = np.packbits(drawings, axis=1).tobytes()
    return hashlib.sha256(packed + b" ".join(answers)).hexdigest()[:_DIGITS]


def _truth(names: list[str], answers: list[bytes]) -> list[int]:
    """Which of the classes each drawing belongs to, from pairs of drawing and class."""
    words = [answer.decode() for answer in answers]
    class_of = dict(zip(words[::2], words[1::2], strict=True))
    classes = names[WAYS : 2 * WAYS]
    return [classes.index(class_of[name]) for name in names[:WAYS]]
