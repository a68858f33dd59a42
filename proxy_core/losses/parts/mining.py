"""Sums over all triplets of a mining rule in O(B^2) memory, and the hardest triplets."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from proxy_core.distances import same_class


@torch.no_grad()
def count_triplets(distances: Tensor, labels: Tensor, *, margin: float, semi_hard: bool) -> Tensor:
    """Signed numbers (B, B) of the triplets in which a pair of the batch takes part.

    A triplet (a, p, n) counts if d(a, n) < d(a, p) + margin, and if `semi_hard` only if also d(a,
    p) < d(a, n), both strictly (Schroff et al., FaceNet, section 3.2,
    https://arxiv.org/abs/1503.03832); with a margin of infinity the first always holds. Entry (a,
    p) counts the negatives n of that positive pair; entry (a, n) is minus the number of its
    positives p. A sum over triplets of d(a, p) - d(a, n) is therefore a sum over pairs of count *
    distance, without the up to B^3 triplets.

    distances (B, B) and margin in the same unit, labels (B,) -> numbers in the type of the
    distances.
    """
    counts = torch.zeros_like(distances)
    for anchors, positives, near, far in blocks(distances, labels):
        mined = in_window(near, far, margin, semi_hard)
        add_to_pairs(counts, anchors, positives, mined)
    return counts


@torch.no_grad()
def sum_of_nca(
    distances: Tensor, labels: Tensor, *, margin: float, semi_hard: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum of log(1 + e^{d(a, p) - d(a, n)}) over the triplets of `count_triplets`, with the sum's
    derivatives (B, B) by the distances and the number of triplets."""
    total, number = distances.new_zeros(()), distances.new_zeros(())
    slopes = torch.zeros_like(distances)
    for anchors, positives, near, far in blocks(distances, labels):
        mined = in_window(near, far, margin, semi_hard)
        total += (F.softplus(near - far) * mined).sum()
        number += mined.sum()
        add_to_pairs(slopes, anchors, positives, torch.sigmoid(near - far) * mined)
    return total, slopes, number


def hardest(distances: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of each anchor to its farthest positive and to its nearest negative, (A,) and (A,).

    For the A anchors that have both. Equally far images share the gradient evenly, so that it does
    not depend on the order of the batch.
    """
    positive = same_class(labels)
    negative = ~positive
    positive.fill_diagonal_(False)
    complete = positive.any(dim=1) & negative.any(dim=1)
    near = distances.masked_fill(~positive, -torch.inf).amax(dim=1)
    far = distances.masked_fill(~negative, torch.inf).amin(dim=1)
    return near[complete], far[complete]


def blocks(distances: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """All positive pairs, B at a time, each with all negatives of its anchor.

    Yields anchors (M,), positives (M,), their distances (M, 1), and those of the anchors to the
    whole batch (M, B), infinite for images of the anchor's class.
    """
    same = same_class(labels)
    negatives = distances.masked_fill(same, torch.inf)
    anchors, positives = same.fill_diagonal_(False).nonzero(as_tuple=True)
    size = len(labels)
    for a, p in zip(torch.split(anchors, size), torch.split(positives, size), strict=True):
        yield a, p, distances[a, p][:, None], negatives[a]


def in_window(near: Tensor, far: Tensor, margin: float, semi_hard: bool) -> Tensor:
    """One where far < near + margin, and near < far if `semi_hard`, otherwise zero: (M, B).

    Compared in place, as numbers: on a CPU several times as fast as with a boolean tensor.
    """
    mined = far.clone().lt_(near + margin)
    return mined.mul_(far.clone().gt_(near)) if semi_hard else mined


def add_to_pairs(pairs: Tensor, anchors: Tensor, positives: Tensor, terms: Tensor) -> None:
    """Add terms (M, B) of triplets to positive pairs, and subtract them from negative pairs."""
    pairs[anchors, positives] = terms.sum(dim=1)
    pairs.index_add_(0, anchors, terms, alpha=-1)
