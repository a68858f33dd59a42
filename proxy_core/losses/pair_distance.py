"""Distances of pairs: contrastive and two lifted structure losses over all pairs of a batch."""

import torch
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import same_class, squared_distances
from proxy_core.hyper_parameters import Count, Distance, Positive, checked
from proxy_core.losses.parts.masked_sums import log_sum_exp, mean_over


def contrastive(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean of d^2 / 2 over positive pairs plus mean of [margin - d]_+^2 / 2 over negative pairs.

    embeddings (B, D) of any length, labels (B,), d the distance of unit vectors in [0, 2], margin
    > 0 in that unit. A mean over no pairs is 0. Each pair counts once in each direction.
    """
    distances = plain_distances(embeddings)
    positive, negative = pair_masks(labels)
    pull = mean_over(distances.square(), positive)
    push = mean_over((margin - distances).clamp(min=0.0).square(), negative)
    return 0.5 * (pull + push)


def lifted_structure(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Half the mean over positive pairs (i, j) of [J]_+^2, 0 without any, where J = d(i, j) +
    log(sum over negatives k of i of e^{margin - d(i, k)} + the same sum over negatives of j).

    embeddings (B, D) of any length, labels (B,), d the distance of unit vectors in [0, 2], margin
    in that unit. Without negatives J = -inf, so the loss is 0.
    """
    distances = plain_distances(embeddings)
    positive, negative = pair_masks(labels)
    nearness = log_sum_exp(margin - distances, negative)
    violations = torch.logaddexp(nearness[:, None], nearness[None, :]) + distances
    return 0.5 * mean_over(violations.clamp(min=0.0).square(), positive)


def generalized_lifted(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean over anchors of [log sum_p e^{d(a, p)} + log sum_n e^{margin - d(a, n)}]_+.

    Over all positives p and all negatives n of the batch; anchors that lack either do not count,
    and without any anchor the loss is 0. Shapes and units as in `lifted_structure`.
    """
    distances = plain_distances(embeddings)
    positive, negative = pair_masks(labels)
    farness = log_sum_exp(distances, positive)
    nearness = log_sum_exp(margin - distances, negative)
    # Without negatives, which a batch lacks for all anchors or none, nearness is -inf: a loss of 0.
    return mean_over((farness + nearness).clamp(min=0.0), positive.any(dim=1))


class Contrastive(nn.Module):
    """Contrastive loss: positive pairs are pulled together, negative ones pushed to a margin.

    Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006,
    https://doi.org/10.1109/CVPR.2006.100, equation 4: d^2 / 2 for a similar pair and
    [margin - d]_+^2 / 2 for a dissimilar one. All pairs of the batch take part.

    Differs from the paper, which sums over given pairs and does not normalise: here d is the
    distance of unit vectors, as retrieval ranks by cosine, and positive and negative pairs are
    averaged apart, as otherwise the many negatives would leave the positives no weight. Without a
    positive pair only the push is left, without a negative pair only the pull, and with neither the
    loss is 0. Differs from pytorch-metric-learning 2.9, whose pull is d and whose push
    [margin - d]_+, neither squared nor halved, averaged over the pairs where they are not zero.

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar >= 0; ValueError for any other
    batch. Learns nothing itself: C and D serve to check the batch. ValueError when built with
    C < 1, D < 1 or a margin outside (0, 2] (2 is the largest distance).
    """

    @checked
    def __init__(self, num_classes: Count, embedding_dim: Count, *, margin: Distance = 1.0) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, self.num_classes, self.embedding_dim)
        return contrastive(embeddings, labels, margin=self.margin)


class LiftedStructure(nn.Module):
    """Lifted structure loss: each positive pair against all negatives of both its images.

    Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016,
    https://arxiv.org/abs/1511.06452, in the smooth upper bound that the paper trains with: half the
    mean over positive pairs of [J]_+^2.

    Differs from the paper, whose embeddings are not normalised: here d is the distance of unit
    vectors, as retrieval ranks by cosine. All positive pairs of the batch take part. Without a
    positive or without a negative pair loss and gradient are exactly 0. Equals
    pytorch-metric-learning 2.9, which holds a matrix of all positive by all negative pairs for it;
    here nothing is larger than (B, B).

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar >= 0; ValueError for any other
    batch. Learns nothing itself: C and D serve to check the batch. ValueError when built with
    C < 1, D < 1 or a margin outside (0, inf): above 2, the largest distance, it still acts.
    """

    @checked
    def __init__(self, num_classes: Count, embedding_dim: Count, *, margin: Positive = 1.0) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, self.num_classes, self.embedding_dim)
        return lifted_structure(embeddings, labels, margin=self.margin)


class GeneralizedLifted(nn.Module):
    """Generalised lifted structure loss: each anchor against all its positives and negatives.

    Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017,
    https://arxiv.org/abs/1703.07737, section 2, L_LG: a soft maximum over the positives where
    `LiftedStructure` has one pair at a time, and a hinge that is not squared.

    Differs from the paper, which sums over anchors and does not normalise: here the loss is a mean
    over anchors, and d the distance of unit vectors. Anchors without a positive or without a
    negative do not count; without any other, loss and gradient are exactly 0. Differs from
    pytorch-metric-learning 2.9 only for such anchors: it takes the log of their empty sum as 0 and
    counts them in the mean.

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar >= 0; ValueError for any other
    batch. Learns nothing itself: C and D serve to check the batch. ValueError when built with
    C < 1, D < 1 or a margin outside (0, inf).
    """

    @checked
    def __init__(self, num_classes: Count, embedding_dim: Count, *, margin: Positive = 1.0) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, self.num_classes, self.embedding_dim)
        return generalized_lifted(embeddings, labels, margin=self.margin)


def plain_distances(vectors: Tensor) -> Tensor:
    """Distances (B, B) in [0, 2] between the directions of rows (B, D), not squared.

    The root has no derivative at 0; there the gradient is 0 instead of infinite.
    """
    squared = squared_distances(vectors)
    same = squared == 0
    return squared.masked_fill(same, 1.0).sqrt().masked_fill(same, 0.0)


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (B, B) of the positive and of the negative pairs; no item is paired with itself."""
    same = same_class(labels)
    negative = ~same
    return same.fill_diagonal_(False), negative
