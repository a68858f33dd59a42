"""Comparison of rankings, and the sizes in which they are computed."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from proxy_core.metrics import ranking, search
from proxy_core.metrics.retrieval import Ranking


def assert_same(found: Ranking, expected: Ranking) -> None:
    """The same bits everywhere."""
    for field in dataclasses.fields(Ranking):
        assert torch.equal(getattr(found, field.name), getattr(expected, field.name)), field.name


def assert_equal(found: Ranking, expected: Ranking) -> None:
    """The same, except for similarities up to the order of a sum in float64."""
    for name in ("first_hit", "relevant", "neighbors", "r_precision", "average_precision"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    torch.testing.assert_close(found.similarities, expected.similarities, rtol=2e-7, atol=1e-14)


@contextmanager
def tiles(size: int) -> Iterator[None]:
    """Search with tiles of that many queries and items; in float64, with about as many queries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TILE", {"cpu": size, "cuda": size})
        patch.setattr(ranking, "CELLS", {"cpu": 50 * size, "cuda": 50 * size})
        yield
