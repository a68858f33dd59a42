"""Checks that losses share: of a batch, and against second derivatives."""

import torch
from torch import Tensor


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


def refuse_second_derivative(name: str) -> None:
    """Raise RuntimeError if the backward pass that calls this is itself differentiated.

    Autograd would take a gradient written by hand for a constant, and give wrong second
    derivatives without an error.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(
            f"{name} can be differentiated once only: its gradient is written by hand. "
            "Leave out create_graph=True"
        )
