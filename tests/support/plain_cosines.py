"""Cosines by plain loops over Python floats, and the vectors that tests compare them on."""

import math

import torch
from hypothesis import strategies as st
from torch import Tensor


def plain_cosine(left: list[float], right: list[float]) -> float:
    """Rounded, so that cosines which only rounding parts are equal; 0 for a zero vector."""
    lengths = math.hypot(*left) * math.hypot(*right)
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return round(product / lengths, 10) if lengths else 0.0


def plain_unit(vector: list[float]) -> list[float]:
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


def plain_mean(vectors: list[list[float]]) -> list[float]:
    """Mean of the directions, exactly zero where rounding left almost nothing."""
    rows = [plain_unit(vector) for vector in vectors]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return [value if abs(value) > 1e-13 else 0.0 for value in mean]


def cloud(size: int, seed: int, classes: int = 6, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """Vectors (N, 5) around the centers of random classes, which are the same for every seed."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (size,), generator=generator)
    centers = torch.randn(classes, 5, generator=torch.Generator().manual_seed(0))
    return centers[labels] + noise * torch.randn(size, 5, generator=generator), labels


@st.composite
def grids(draw: st.DrawFn, least: int = 1, most: int = 12) -> Tensor:
    """Vectors of -1, 0 and 1: zero vectors, duplicates and many equal angles."""
    size, dim = draw(st.integers(least, most)), draw(st.integers(1, 3))
    row = st.lists(st.integers(-1, 1).map(float), min_size=dim, max_size=dim)
    return torch.tensor(draw(st.lists(row, min_size=size, max_size=size)))


def integers(data: st.DataObject, low: int, high: int, size: int) -> Tensor:
    """Drawn integers (N,) in low..high."""
    return torch.tensor(data.draw(st.lists(st.integers(low, high), min_size=size, max_size=size)))
