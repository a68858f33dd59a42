"""Refusals that all losses share: of batches that do not fit and of settings out of range."""

import math

import torch
from torch import Tensor


def check_sizes(num_classes: int, embedding_dim: int, *, least_classes: int) -> None:
    """Raise ValueError unless C >= `least_classes` and D >= 1."""
    if num_classes < least_classes:
        raise ValueError(
            f"num_classes is {num_classes}: this loss needs at least {least_classes}, "
            "use more classes or another loss"
        )
    if embedding_dim < 1:
        raise ValueError(f"embedding_dim is {embedding_dim}: it must be at least 1")


def check_range(name: str, value: float, *, low: float, high: float, low_allowed: bool) -> None:
    """Raise ValueError unless `value` is finite and in (low, high], or [low, high] if allowed."""
    inside = low <= value <= high if low_allowed else low < value <= high
    if not inside or not math.isfinite(value):
        opening = "[" if low_allowed else "("
        closing = "]" if math.isfinite(high) else ")"
        raise ValueError(f"{name} is {value}: it must lie in {opening}{low:g}, {high:g}{closing}")


def check_whole(name: str, value: float, *, low: int, high: float) -> None:
    """Raise ValueError unless `value` is a whole number in [low, high]."""
    check_range(name, value, low=low, high=high, low_allowed=True)
    if value % 1:
        raise ValueError(f"{name} is {value}: it must be a whole number")


def check_batch(embeddings: Tensor, labels: Tensor, num_classes: int, embedding_dim: int) -> None:
    """Raise ValueError unless embeddings are (B, D), labels (B,) integers in 0..C-1, and B >= 1."""
    if embeddings.ndim != 2 or embeddings.shape[1] != embedding_dim:
        raise ValueError(
            f"embeddings have shape {tuple(embeddings.shape)}: expected (B, {embedding_dim})"
        )
    if not embeddings.is_floating_point():
        raise ValueError(f"embeddings are of type {embeddings.dtype}: expected floating point")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}: expected ({len(embeddings)},), "
            "one label for each embedding"
        )
    if len(labels) == 0:
        raise ValueError("the batch is empty (B = 0): pass at least one embedding")
    check_labels(labels, num_classes)


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raise ValueError unless all labels (B,) are int64 numbers in 0..C-1."""
    if labels.dtype != torch.int64:
        raise ValueError(f"labels are of type {labels.dtype}: expected torch.int64")
    low, high = labels.aminmax()
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"labels span {int(low)}..{int(high)}: expected 0..{num_classes - 1} "
            f"for {num_classes} classes"
        )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(map(repr, choices))}")
