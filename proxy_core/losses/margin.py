"""Margin loss: positive and negative pairs on the two sides of a learned boundary."""

from typing import Annotated

import torch
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.hyper_parameters import (
    Boundaries,
    BoundaryDistance,
    Count,
    Distance,
    NonNegative,
    Search,
    checked,
)
from proxy_core.losses.pair_distance import plain_distances
from proxy_core.losses.parts.negative_sampling import (
    Draws,
    canonical_order,
    distance_weights,
    draw_negatives,
)


def margin_loss(
    embeddings: Tensor,
    labels: Tensor,
    boundaries: Tensor,
    uniforms: Tensor,
    *,
    margin: float,
    nu: float,
) -> Tensor:
    """Sum of [margin + d(a, p) - b]_+ and [margin - d(a, n) + b]_+ over distance-weighted triplets,
    divided by the number of these terms that are not zero, plus nu times the triplets' mean b.

    embeddings (B, D) of any length, labels (B,); boundaries (C,), of which b is that of the
    anchor's class, and margin > 0 in the unit of d, the distance of unit vectors in [0, 2];
    uniforms (B, B) in [0, 1), with which `draw_negatives` draws in the canonical order of the batch
    -> scalar, 0 without any triplet.
    """
    order = canonical_order(embeddings, labels)
    embeddings, labels = embeddings[order], labels[order]
    distances = plain_distances(embeddings)
    weights = distance_weights(distances, labels, dim=embeddings.shape[1])
    a, p, n = draw_negatives(weights, labels, uniforms)
    boundary = boundaries[labels[a]]
    terms = margin + torch.cat([distances[a, p] - boundary, boundary - distances[a, n]])
    active = terms > 0
    spread = (terms * active).sum() / active.sum().clamp(min=1)
    # NaN in an embedding must give NaN, also if no triplet contains it.
    unbroken = 0.0 * distances.detach().sum()
    return spread + nu * boundary.sum() / max(len(a), 1) + unbroken


class Margin(nn.Module):
    """Margin loss: pairs on the two sides of a learned boundary, negatives drawn by distance.

    Wu et al., Sampling Matters in Deep Embedding Learning, ICCV 2017,
    https://arxiv.org/abs/1706.07567, section 4, the hinges of `margin_loss` with alpha = `margin`.
    The boundary beta is learned: `boundaries` selects one for all images or one for each class,
    that of the anchor; all start at `beta`. For each positive pair one negative is drawn with the
    paper's weights (`distance_weights`, which describes the negatives that are left out).

    The sum is divided by the number of terms that are not zero. `nu` weighs the mean boundary of
    the triplets: beta is in balance where, among these terms, positive pairs exceed negative pairs
    by nu times their total number. Draws come from buffers, as in `Triplet`, and do not depend on
    the order of the batch.

    Differs from the paper: no boundary for each image. Equals pytorch-metric-learning 2.9 on the
    same triplets, except for `nu` with one boundary for each class, which there sums over the
    triplets and divides by the number of terms that are not zero. That library also draws the
    positives, and drops anchors whose weights underflow beside those of another anchor.

    Learns `beta`, (1,) or (C,). The loss is at least 0 if nu is 0.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        margin: Distance = 0.2,
        beta: BoundaryDistance = 1.2,
        nu: Annotated[NonNegative, Search(1e-5, 0.1, log=True)] = 0.0,
        boundaries: Boundaries = "one",
    ) -> None:
        super().__init__()
        number = num_classes if boundaries == "per class" else 1
        self.beta = nn.Parameter(torch.full((number,), float(beta)))
        self.draws = Draws()
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.margin = margin
        self.nu = nu

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, self.num_classes, self.embedding_dim)
        boundaries = self.beta.expand(self.num_classes)
        uniforms = self.draws(len(labels))
        return margin_loss(embeddings, labels, boundaries, uniforms, margin=self.margin, nu=self.nu)
