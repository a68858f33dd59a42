"""Drawn negatives: one for each positive pair, reproducibly, whatever the order of the batch."""

import numpy as np
import torch
from torch import Tensor, nn

from proxy_core.distances import same_class, unit

# Wu et al.'s released sampler: nearer negatives count as this near, farther ones are not drawn.
NEAREST, FARTHEST = 0.5, 1.4


class Draws(nn.Module):
    """Uniform numbers that depend on a seed and on the number of batches seen, and on nothing else.

    Both are buffers, so a checkpoint keeps them, and no global stream is used but once, by the
    constructor, for the seed (torch's default generator). Evaluation mode draws the numbers of the
    next step again and again, so that a loss is one function there.

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
    """Order (B,) of a batch that is the same however the batch was ordered: by label, and within
    one by the sum of the cosines to all embeddings (B, D).

    Draws made in this order belong to images and not to places in the batch. Up to ties of that
    sum: equal images may trade places, which changes nothing, and images that only symmetry makes
    alike may do so, too.
    """
    directions = unit(embeddings.double())
    order = (directions @ directions.sum(dim=0)).argsort()
    return order[labels[order].argsort(stable=True)]


@torch.no_grad()
def uniform_weights(distances: Tensor, labels: Tensor) -> Tensor:
    """Weights (B, B) of the images as negatives of each anchor: one, or zero in the same class."""
    return (~same_class(labels)).to(distances.dtype)


@torch.no_grad()
def distance_weights(distances: Tensor, labels: Tensor, *, dim: int) -> Tensor:
    """Probabilities (B, B) of the images as negatives of each anchor, spread over their distances.

    A row is zero where no negative can be drawn.

    Wu et al., Sampling Matters in Deep Embedding Learning, section 4,
    https://arxiv.org/abs/1706.07567: proportional to min(lambda, 1 / q(d)), where q(d) is
    proportional to d^(D-2) (1 - d^2 / 4)^((D-3) / 2), the density of the distance of two random
    directions in D dimensions. Here lambda is 1 / q(0.5): smaller distances count as 0.5.

    Negatives at 1.4 or more are not drawn, as in the authors' code and in pytorch-metric-learning
    2.9: beyond about right angles 1 / q rises again, for D > 3 without bound, and would prefer the
    easiest negatives. 1.4 is where a negative's term of the margin loss starts out as 0: 1.2 + 0.2.

    distances (B, B) of unit vectors in [0, 2], not squared; labels (B,); dim D >= 1.
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

    The negative n of an anchor is drawn with probability weights[a, n] / (sum of the row), by the
    number uniforms[a, p] in [0, 1): it is the first whose cumulative weight reaches 1 - u times the
    sum, which is never one of weight zero. Anchors whose weights are all zero have no triplet.

    weights (B, B) >= 0, labels (B,), uniforms (B, B) on the CPU, where all of this is done: sums of
    a GPU depend on how it splits them up.
    """
    device, size = weights.device, len(labels)
    cumulative = weights.cpu().double().cumsum(dim=1)
    sums = cumulative[:, -1]
    pairs = same_class(labels.cpu()).fill_diagonal_(False) & (sums > 0)[:, None]
    anchors, positives = pairs.nonzero(as_tuple=True)
    sought = (1 - uniforms[anchors, positives]) * sums[anchors]
    found = [  # pairs at a time, so that no tensor is larger than the weights
        torch.searchsorted(cumulative[a], s[:, None])
        for a, s in zip(torch.split(anchors, size), torch.split(sought, size), strict=True)
    ]
    negatives = torch.cat(found).squeeze(1)
    return anchors.to(device), positives.to(device), negatives.to(device)
