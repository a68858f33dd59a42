"""Drawn negatives: one for each positive pair, reproducible, for any order of the batch."""

import numpy as np
import torch
from torch import Tensor, nn

from proxy_core.distances import same_class, unit

# From the code of Wu et al.: nearer negatives count as NEAREST, farther ones are not drawn.
NEAREST, FARTHEST = 0.5, 1.4


class Draws(nn.Module):
    """Uniform numbers that depend only on a seed and on the number of batches seen.

    Both are buffers, so a checkpoint keeps them. The constructor draws the seed from torch's
    default generator; nothing else uses a global generator. In evaluation mode the numbers of the
    next step are drawn repeatedly, so that a loss is one function there.

    forward: B -> float64 numbers (B, B) in [0, 1), on the CPU.
    """

    seed: Tensor
    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seed", torch.randint(2**63 - 1, ()))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, size: int) -> Tensor:
        generator = np.random.default_rng([int(self.seed), int(self.step)])
        if self.training:
            self.step += 1
        return torch.from_numpy(generator.random((size, size)))


@torch.no_grad()
def canonical_order(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Order (B,) of a batch that does not depend on how the batch was ordered: by label, and within
    a label by the sum of the cosines to all embeddings (B, D).

    Draws made in this order belong to images and not to positions in the batch. Exceptions are ties
    of that sum: equal images may swap, which changes nothing, and so may images that are alike by
    symmetry.
    """
    directions = unit(embeddings.double())
    order = (directions @ directions.sum(dim=0)).argsort()
    return order[labels[order].argsort(stable=True)]


@torch.no_grad()
def distance_weights(distances: Tensor, labels: Tensor, *, dim: int) -> Tensor:
    """Probabilities (B, B) of the images as negatives of each anchor, spread over their distances.

    distances (B, B) of unit vectors in [0, 2], not squared; labels (B,); dim D >= 1. A row is zero
    where no negative can be drawn.

    Wu et al., Sampling Matters in Deep Embedding Learning, section 4,
    https://arxiv.org/abs/1706.07567: proportional to min(lambda, 1 / q(d)), where q(d) is
    proportional to d^(D-2) (1 - d^2 / 4)^((D-3) / 2), the density of the distance of two random
    directions in D dimensions. Here lambda is 1 / q(0.5): smaller distances count as 0.5.

    Negatives at 1.4 or more are not drawn, as in the authors' code and in pytorch-metric-learning
    2.9: beyond about a right angle 1 / q rises again, for D > 3 without bound, and would prefer the
    easiest negatives. 1.4 is where a negative's term of the margin loss starts out as 0: 1.2 + 0.2.
    """
    drawn = ~same_class(labels) & (distances < FARTHEST)
    clipped = distances.clamp(min=NEAREST)
    logs = (2 - dim) * clipped.log() + (3 - dim) / 2 * (1 - clipped.square() / 4).log()
    return logs.masked_fill(~drawn, -torch.inf).softmax(dim=1).masked_fill(~drawn, 0.0)


@torch.no_grad()
def draw_negatives(
    weights: Tensor, labels: Tensor, uniforms: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Anchors, positives and negatives (T,) of one triplet for each positive pair of the batch.

    weights (B, B) >= 0, labels (B,), uniforms (B, B) in [0, 1) on the CPU. The negative n of an
    anchor is drawn with probability weights[a, n] / (sum of the row), by the number uniforms[a, p]:
    it is the first whose cumulative weight reaches 1 - u times the sum, which is never one of
    weight zero. Anchors whose weights are all zero have no triplet. The computation runs on the
    CPU, because sums on a GPU depend on how they are split.
    """
    device, size = weights.device, len(labels)
    cumulative = weights.cpu().double().cumsum(dim=1)
    sums = cumulative[:, -1]
    pairs = same_class(labels.cpu()).fill_diagonal_(False) & (sums > 0)[:, None]
    anchors, positives = pairs.nonzero(as_tuple=True)
    targets = (1 - uniforms[anchors, positives]) * sums[anchors]
    found = [  # B pairs at a time: no tensor is larger than the weights
        torch.searchsorted(cumulative[a], s[:, None])
        for a, s in zip(torch.split(anchors, size), torch.split(targets, size), strict=True)
    ]
    negatives = torch.cat(found).squeeze(1)
    return anchors.to(device), positives.to(device), negatives.to(device)
