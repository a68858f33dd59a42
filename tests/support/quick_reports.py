"""Reports without what takes most of their time, for tests of everything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def few_draws() -> Iterator[None]:
    """Intervals of costs where runs missed a target, from 100 draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.reporting.cost.cost_ratio.WARM_UP", 10)
        patch.setattr("bench.reporting.cost.cost_ratio.DRAWS", 100)
        yield


@contextmanager
def without_figures() -> Iterator[None]:
    """Empty files of figures, under the names and with the captions of the real ones."""

    def save(
        figure: object, stem: Path, title: str, explanation: str
    ) -> tuple[tuple[Path, Path], str, str]:
        paths = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("<svg/>")
        return paths, "<svg></svg>", f"{title} {explanation}"

    with few_draws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.reporting.page.save", save)
        for always_drawn in ("scores_figure", "convergence_figure"):
            patch.setattr(f"bench.reporting.figures.{always_drawn}", lambda *_: object())
        yield
