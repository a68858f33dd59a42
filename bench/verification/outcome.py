"""What the verification of one run found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench.metrics import describe
from bench.store.record import REQUIRED

CODE = "code of the loss"  # a quantity that no environment explains
NOTHING = "nothing"  # the value of a quantity that one side lacks
Verdict = Literal["pass", "differs", "differs, explained", "cannot be verified"]


@dataclass(frozen=True)
class Difference:
    """A quantity that moved: its stored value and the one that was found."""

    quantity: str
    stored: str
    found: str

    def __str__(self) -> str:
        return f"{self.quantity}: stored {self.stored}, found {self.found}"


@dataclass(frozen=True)
class Size:
    """How far a score moved, in its own unit; half_width, of the interval over the seeds of its
    method that are stored, None for one seed."""

    score: str
    moved: float
    half_width: float | None
    seeds: int

    def __str__(self) -> str:
        """`R@1 moved by 0.3 points; the interval over 10 seeds is ± 1.2 points`."""
        metric = describe(self.score)
        factor, unit = (100, " points") if metric.percent else (1, "")
        moved = f"{metric.heading} moved by {factor * abs(self.moved):.2g}{unit}"
        if self.half_width is None:
            return f"{moved}; no other seed of its method is stored"
        half = f"± {factor * self.half_width:.2g}{unit}"
        return f"{moved}; the interval over {self.seeds} seeds is {half}"


@dataclass(frozen=True)
class Outcome:
    """The verification of one run.

    Attributes: run, its name; compared, the quantities that were compared; differences, those that
    moved; unchecked, what this depth does not compare; reasons, what is not as it was when the run
    was made and may explain differences; sizes, how far scores moved; error, why nothing could be
    compared.
    """

    run: str
    compared: Sequence[str] = ()
    differences: Sequence[Difference] = ()
    unchecked: Sequence[str] = ()
    reasons: Sequence[str] = ()
    sizes: Sequence[Size] = ()
    error: str | None = None

    @property
    def verdict(self) -> Verdict:
        if self.error is not None:
            return "cannot be verified"
        if not self.differences:
            return "pass"
        edited = any(difference.quantity == CODE for difference in self.differences)
        return "differs, explained" if self.reasons and not edited else "differs"

    def document(self) -> dict[str, Any]:
        """The outcome as data."""
        return {
            "run": self.run,
            "verdict": self.verdict,
            "compared": [*self.compared],
            "differences": [vars(difference) for difference in self.differences],
            "unchecked": [*self.unchecked],
            "reasons": [*self.reasons],
            "sizes": [vars(size) for size in self.sizes],
            "error": self.error,
        }

    @property
    def size_lines(self) -> list[str]:
        """How far the scores that every run has moved; else the first that moved."""
        main = [size for size in self.sizes if size.score in REQUIRED] or self.sizes[:1]
        return [*map(str, main)]


def moved(
    section: str, stored: Mapping[str, float], found: Mapping[str, float]
) -> Iterator[Difference]:
    """The numbers of two tables that are not equal to the last digit."""
    for name in dict.fromkeys([*stored, *found]):
        before, now = stored.get(name), found.get(name)
        if before != now:
            yield Difference(f"{section} {name}".strip(), written(before), written(now))


def moved_arrays(
    stored: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]
) -> Iterator[Difference]:
    """The first element that differs of each stored array (Q, ...), which may hold fewer columns
    than were found. Raises: KeyError if an array was not found."""
    for name, before in stored.items():
        now = found[name][:, : before.shape[1]] if before.ndim == 2 else found[name]
        if before.shape != now.shape:
            yield Difference(name, f"shape {before.shape}", f"shape {now.shape}")
            continue
        places = np.argwhere(before != now)
        if len(places):
            place = tuple(places[0].tolist())
            where = f"{name} {place[0]}" + (f", rank {place[1] + 1}" if place[1:] else "")
            count = f"{len(places):,} of {before.size:,} differ"
            yield Difference(f"{where} ({count})", str(before[place]), str(now[place]))


def written(value: object) -> str:
    """A number with all of its digits; none is `NOTHING`."""
    return NOTHING if value is None else repr(value)
