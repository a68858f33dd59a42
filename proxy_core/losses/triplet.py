"""Triplet loss: two surrogates over the triplets that a mining rule selects from the batch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from proxy_core.checks import check_batch, refuse_second_derivative
from proxy_core.distances import same_class, squared_distances
from proxy_core.hyper_parameters import Count, Mining, SquaredDistance, Surrogate, checked
from proxy_core.losses.parts.mining import count_triplets, hardest, sum_of_nca
from proxy_core.losses.parts.negative_sampling import (
    Draws,
    canonical_order,
    distance_weights,
    draw_negatives,
)


def triplet(
    embeddings: Tensor, labels: Tensor, *, margin: float, mining: Mining, surrogate: Surrogate
) -> Tensor:
    """Mean of a surrogate over the triplets of "all", "semi-hard" or "hard" mining; 0 without any.

    embeddings (B, D) of any length, labels (B,), margin > 0 in the unit of d, the squared distance
    of unit vectors in [0, 4] -> scalar. Surrogates and mining rules as in `Triplet`.
    """
    distances = squared_distances(embeddings)
    if mining == "hard":
        near, far = hardest(distances, labels)
        return mean_of_listed(distances, near, far, margin=margin, surrogate=surrogate)
    semi_hard = mining == "semi-hard"
    if surrogate == "margin":
        return mean_hinge(distances, labels, margin=margin, semi_hard=semi_hard)
    window = margin if semi_hard else torch.inf
    return mean_nca(distances, labels, margin=window, semi_hard=semi_hard)


def drawn_triplet(
    embeddings: Tensor,
    labels: Tensor,
    uniforms: Tensor,
    *,
    margin: float,
    mining: Mining,
    surrogate: Surrogate,
) -> Tensor:
    """Mean of a surrogate over one triplet for each positive pair; 0 without any.

    The negative is drawn by "random" or "distance-weighted" mining, in the canonical order of the
    batch, with uniforms (B, B) in [0, 1) as in `draw_negatives`; the rest as in `triplet`.
    """
    order = canonical_order(embeddings, labels)
    embeddings, labels = embeddings[order], labels[order]
    distances = squared_distances(embeddings)
    if mining == "random":
        weights = (~same_class(labels)).to(distances.dtype)
    else:
        weights = distance_weights(distances.sqrt(), labels, dim=embeddings.shape[1])
    a, p, n = draw_negatives(weights, labels, uniforms)
    return mean_of_listed(
        distances, distances[a, p], distances[a, n], margin=margin, surrogate=surrogate
    )


def mean_hinge(distances: Tensor, labels: Tensor, *, margin: float, semi_hard: bool) -> Tensor:
    """Mean of d(a, p) - d(a, n) + margin over the triplets that `count_triplets` counts."""
    counts = count_triplets(distances, labels, margin=margin, semi_hard=semi_hard)
    number = counts.clamp(min=0).sum()
    # Within these triplets the hinge is linear: the sum over triplets is one over pairs.
    mean_gap = (counts * distances).sum() / number.clamp(min=1)
    return mean_gap + margin * (number > 0).to(mean_gap.dtype)


def mean_nca(distances: Tensor, labels: Tensor, *, margin: float, semi_hard: bool) -> Tensor:
    """Mean of log(1 + e^{d(a, p) - d(a, n)}) over the same triplets, differentiable once.

    Value and slopes are summed without autograd, which would keep the terms of up to B^3 triplets.
    """
    total, slopes, number = sum_of_nca(distances, labels, margin=margin, semi_hard=semi_hard)
    value: Tensor = WithSlopes.apply(distances, total, slopes)
    return value / number.clamp(min=1)


class WithSlopes(torch.autograd.Function):
    """A given value (scalar) with given derivatives (B, B) by the distances (B, B)."""

    @staticmethod
    def forward(ctx: FunctionCtx, distances: Tensor, value: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(slopes)
        return value + 0.0 * distances.sum()  # NaN distances must give NaN

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        refuse_second_derivative("the NCA surrogate over many triplets")
        (slopes,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * slopes, None, None


def mean_of_listed(
    distances: Tensor, near: Tensor, far: Tensor, *, margin: float, surrogate: Surrogate
) -> Tensor:
    """Mean of a surrogate over listed triplets (T,); the hinge only over triplets where it is not
    0.

    NaN if any distance (B, B) is NaN, in a triplet or not, so that broken embeddings are noticed.
    """
    unbroken = 0.0 * distances.detach().sum()
    if surrogate == "nca":
        return F.softplus(near - far).sum() / max(len(near), 1) + unbroken
    active = far < near + margin
    gaps = (near + margin - far) * active
    return gaps.sum() / active.sum().clamp(min=1) + unbroken


class Triplet(nn.Module):
    """Triplet loss: a hinge or an NCA over the triplets that a mining rule selects from a batch.

    Schroff et al., FaceNet, CVPR 2015, https://arxiv.org/abs/1503.03832, section 3, on the squared
    distance d of unit vectors. `surrogate`, of anchor, positive and negative (a, p, n):

    - margin: [d(a, p) - d(a, n) + margin]_+, averaged over the mined triplets where it is not zero;
    - nca: log(1 + e^{d(a, p) - d(a, n)}), averaged over all mined triplets. This is the NCA
      -log(e^{-d(a, p)} / (e^{-d(a, p)} + e^{-d(a, n)})) of the positive and one negative, and the
      soft margin of Hermans et al., https://arxiv.org/abs/1703.07737. The NCA of the proxy paper,
      https://arxiv.org/abs/1703.07464, sums the negatives within one log and leaves the positive
      out of that sum; with the positive in it, it is `NTXent` at temperature 1/2, because d = 2 - 2
      cos. `margin` has an effect only with semi-hard mining.

    `mining`, from all pairs a != p of one class and all n of other classes:

    - all: every triplet; with the margin it is Hermans et al.'s batch all, averaged as described;
    - semi-hard: d(a, p) < d(a, n) < d(a, p) + margin, both strictly (FaceNet, section 3.2);
    - hard: the farthest positive and the nearest negative of each anchor (Hermans et al.'s batch
      hard); equally far ones share the gradient;
    - random: for each positive pair one negative, all equally likely;
    - distance-weighted: for each positive pair one negative by `distance_weights` (Wu et al.,
      https://arxiv.org/abs/1706.07567); without a negative nearer than 1.4, which is d = 1.96, an
      anchor has no triplet.

    Draws depend on a seed, taken from torch's generator when the loss is built, and on the number
    of batches seen in training mode; both are buffers. The order of the batch has no effect on the
    draws.

    Differs from FaceNet, which selects from batches of some 1,800 faces, sums, and does not define
    the case without a semi-hard negative, and from Hermans et al., whose distances are not squared
    and whose vectors are not normalised. Differs from common code: TensorFlow's semi-hard takes one
    negative for each positive pair, the nearest one beyond the positive, and otherwise the farthest
    one; pytorch-metric-learning 2.9 uses plain instead of squared distances by default, adds the
    margin to its smooth loss, and where it draws negatives it also draws the positives.
    """

    draws: Draws | None

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        margin: SquaredDistance = 0.2,
        mining: Mining = "semi-hard",
        surrogate: Surrogate = "margin",
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.settings: dict[str, Any] = dict(margin=margin, mining=mining, surrogate=surrogate)
        self.draws = Draws() if mining in ("random", "distance-weighted") else None

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        if self.draws is None:
            return triplet(embeddings, labels, **self.settings)
        return drawn_triplet(embeddings, labels, self.draws(len(labels)), **self.settings)
