"""Distances of pairs: contrastive and two lifted structure losses over all pairs of a batch."""

import torch
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import root, same_class, squared_distances
from proxy_core.hyper_parameters import Count, Distance, PairMargin, checked
from proxy_core.losses.parts.masked_sums import log_sum_exp, mean_over


def contrastive(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean of d^2 / 2 over positive pairs plus mean of [margin - d]_+^2 / 2 over negative pairs.

    embeddings (B, D) of any length, labels (B,), margin > 0 in the unit of d, the distance of unit
    vectors in [0, 2] -> scalar. A mean over no pairs is 0. Each pair counts once in each direction.
    """
    distances = plain_distances(embeddings)
    positive, negative = pair_masks(labels)
    pull = mean_over(distances.square(), positive)
    push = mean_over((margin - distances).clamp(min=0.0).square(), negative)
    return 0.5 * (pull + push)


def lifted_structure(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Half the mean over positive pairs (i, j) of [J]_+^2, where J = d(i, j) + log(sum over
    negatives k of i of e^{margin - d(i, k)} + the same sum over negatives of j).

    embeddings (B, D) of any length, labels (B,), margin in the unit of d, the distance of unit
    vectors in [0, 2] -> scalar, 0 without a positive pair. Without negatives J = -inf, so the loss
    is 0.
    """
    distances = plain_distances(embeddings)
    positive, negative = pair_masks(labels)
    nearness = log_sum_exp(margin - distances, negative)
    violations = torch.logaddexp(nearness[:, None], nearness[None, :]) + distances
    return 0.5 * mean_over(violations.clamp(min=0.0).square(), positive)


def generalized_lifted(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean over anchors a of [log sum_p e^{d(a, p)} + log sum_n e^{margin - d(a, n)}]_+ over all
    positives p and all negatives n of a in the batch.

    Shapes and units as in `lifted_structure`. An anchor without a positive or without a negative
    does not count; without any anchor the loss is 0.
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
    https://doi.org/10.1109/CVPR.2006.100, equation 4: d^2 / 2 for a similar pair and [margin -
    d]_+^2 / 2 for a dissimilar one. All pairs of the batch take part.

    Differs from the paper, which sums over given pairs and does not normalise. Positive and
    negative pairs have separate means, because the many negatives would otherwise leave the
    positives no weight. Without a positive pair only the push remains, without a negative pair only
    the pull, and without both the loss is 0. Differs from pytorch-metric-learning 2.9, whose pull
    is d and whose push is [margin - d]_+, neither squared nor halved, averaged over the pairs where
    they are not zero.
    """

    @checked
    def __init__(self, num_classes: Count, embedding_dim: Count, *, margin: Distance = 1.0) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return contrastive(embeddings, labels, margin=self.margin)


class LiftedStructure(nn.Module):
    """Lifted structure loss: each positive pair against all negatives of both its images.

    Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016,
    https://arxiv.org/abs/1511.06452, in the smooth upper bound that the paper trains with: half the
    mean over positive pairs of [J]_+^2. The margin has no upper end: above 2, the largest distance,
    it still has an effect.

    Differs from the paper, whose embeddings are not normalised. All positive pairs of the batch
    take part. Equals pytorch-metric-learning 2.9, which needs a matrix of all positive by all
    negative pairs; here no tensor is larger than (B, B).
    """

    @checked
    def __init__(
        self, num_classes: Count, embedding_dim: Count, *, margin: PairMargin = 1.0
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return lifted_structure(embeddings, labels, margin=self.margin)


class GeneralizedLifted(nn.Module):
    """Generalised lifted structure loss: each anchor against all its positives and negatives.

    Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017,
    https://arxiv.org/abs/1703.07737, section 2, L_LG: a soft maximum over the positives where
    `LiftedStructure` has one pair at a time, and a hinge that is not squared.

    Differs from the paper, which sums over anchors and does not normalise: here the loss is a mean
    over anchors. Anchors without a positive or without a negative do not count. Differs from
    pytorch-metric-learning 2.9 only for such anchors: it takes the log of their empty sum as 0 and
    counts them in the mean.
    """

    @checked
    def __init__(
        self, num_classes: Count, embedding_dim: Count, *, margin: PairMargin = 1.0
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return generalized_lifted(embeddings, labels, margin=self.margin)


def plain_distances(vectors: Tensor) -> Tensor:
    """Distances (B, B) in [0, 2] between the directions of rows (B, D), not squared."""
    return root(squared_distances(vectors))


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (B, B) of the positive and the negative pairs of labels (B,); the diagonal is in
    neither.
    """
    same = same_class(labels)
    negative = ~same
    return same.fill_diagonal_(False), negative
