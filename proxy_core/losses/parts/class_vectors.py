"""Class vectors: the vectors of a loss that represent classes, to be read and set."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class ClassVectors(NamedTuple):
    """The vectors of a loss that represent classes: proxies, centers or classifier weights.

    vectors (P, D): a view without gradient of the loss's own memory, so that
    `vectors.copy_(others)` sets them. classes (P,) int64: the class of each, in 0..C-1, or -1 for
    a vector that several classes share or that belongs to no class. compared: whether embeddings
    are compared with the vectors, as with proxies and centers, so that the nearest vector gives a
    class; false for the weights of a linear classifier, whose bias and lengths count too.
    """

    vectors: Tensor
    classes: Tensor
    compared: bool = True


def class_vectors_of(table: Tensor) -> ClassVectors:
    """Class vectors from a table of one vector (C, D) or of K vectors (C, K, D) for each class."""
    vectors = table.detach().view(-1, table.shape[-1])
    classes = torch.arange(len(table), device=table.device)
    return ClassVectors(vectors, classes.repeat_interleave(len(vectors) // len(table)))


@torch.no_grad()
def set_nearest_mean(classifier: nn.Linear, means: Tensor) -> None:
    """Set a linear classifier (D -> C) so that the class of the nearest mean (C, D) wins.

    The logits x.m - |m|^2 / 2 are -|x - m|^2 / 2 but for a term that all classes share: the
    log-probabilities of classes of equal size with unit variance.
    """
    classifier.weight.copy_(means)
    classifier.bias.copy_(-0.5 * means.square().sum(dim=1))
