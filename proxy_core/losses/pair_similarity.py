"""Similarities of pairs: N-pairs, multi-similarity and NT-Xent over all pairs of a batch."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import cosine_similarity, full_precision, inner_products
from proxy_core.hyper_parameters import (
    Cosine,
    Count,
    NonNegative,
    Positive,
    Search,
    Temperature,
    checked,
)
from proxy_core.losses.pair_distance import pair_masks
from proxy_core.losses.parts.masked_sums import log_one_plus, log_sum_exp, mean_over


def n_pairs(embeddings: Tensor, labels: Tensor, *, norm_weight: float) -> Tensor:
    """Mean over positive pairs (a, p) of log(1 + sum over other classes c of the mean over the
    images n of c of e^{a.n - a.p}), plus norm_weight times the mean of |x|^2.

    embeddings (B, D), not normalised: their inner products count; labels (B,); norm_weight >= 0 ->
    scalar.
    """
    vectors = full_precision(embeddings)
    products = inner_products(vectors, vectors)
    positive, negative = pair_masks(labels)
    class_sizes = (~negative).sum(dim=1)  # (B,): images of the own class, the image itself too
    rivals = log_sum_exp(products - class_sizes.to(products.dtype).log(), negative)
    pairs = mean_over(log_one_plus(rivals[:, None] - products), positive)
    return pairs + norm_weight * vectors.square().sum(dim=1).mean()


def multi_similarity(
    embeddings: Tensor, labels: Tensor, *, alpha: float, beta: float, base: float, epsilon: float
) -> Tensor:
    """Mean over the batch of log(1 + sum_p e^{-alpha (cos(a, p) - base)}) / alpha + log(1 + sum_n
    e^{beta (cos(a, n) - base)}) / beta over the pairs that `informative` keeps.

    embeddings (B, D) of any length, labels (B,); alpha, beta > 0 in units of 1/cosine, base and
    epsilon >= 0 cosines -> scalar. An anchor without a positive or without a negative counts as 0.
    """
    cosines = cosine_similarity(embeddings, embeddings)
    positive, negative = informative(cosines.detach(), labels, epsilon=epsilon)
    pull = log_one_plus(log_sum_exp(-alpha * (cosines - base), positive)) / alpha
    push = log_one_plus(log_sum_exp(beta * (cosines - base), negative)) / beta
    return (pull + push).mean()


@torch.no_grad()
def informative(cosines: Tensor, labels: Tensor, *, epsilon: float) -> tuple[Tensor, Tensor]:
    """Masks (B, B) of the positive and of the negative pairs that multi-similarity loss mines.

    cosines (B, B), labels (B,), epsilon >= 0 a cosine. A positive is kept if its cosine is less
    than that of the anchor's hardest negative plus epsilon, a negative if its cosine is more than
    that of the hardest positive minus epsilon; so an anchor without either keeps no pair.
    """
    positive, negative = pair_masks(labels)
    hardest_negative = cosines.masked_fill(~negative, -torch.inf).amax(dim=1, keepdim=True)
    hardest_positive = cosines.masked_fill(~positive, torch.inf).amin(dim=1, keepdim=True)
    # Drop easy pairs instead of keeping hard ones: a NaN compares as false and stays.
    easy_positive = cosines >= hardest_negative + epsilon
    easy_negative = cosines <= hardest_positive - epsilon
    return positive & ~easy_positive, negative & ~easy_negative


def nt_xent(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """Mean over positive pairs (a, p) of -log(e^{cos(a, p) / T} / (e^{cos(a, p) / T} + sum over
    negatives n of e^{cos(a, n) / T})).

    embeddings (B, D) of any length, labels (B,), temperature T > 0 in units of the cosine ->
    scalar, 0 without a positive pair.
    """
    logits = cosine_similarity(embeddings, embeddings) / temperature
    positive, negative = pair_masks(labels)
    rivals = log_sum_exp(logits, negative)
    return mean_over(log_one_plus(rivals[:, None] - logits), positive)


class NPairs(nn.Module):
    """N-pairs loss: each positive pair against one negative of every other class.

    Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, NeurIPS 2016,
    https://proceedings.neurips.cc/paper/2016/hash/6b180037abbebea991d8b1232f8a8ca9-Abstract.html,
    N-pair-mc on inner products of raw embeddings, whose squared length is penalised. On unit
    vectors over a temperature it becomes `NTXent`, https://arxiv.org/abs/2002.05709.

    Differs from the paper, whose batch is one pair (a, p) of each class with the p of the others as
    negatives: here a batch may hold any number of images of a class. All positive pairs take part,
    in both directions, and each other class counts as one negative, by the mean of its images'
    exponentials. Classes of one image serve as negatives. Differs from pytorch-metric-learning 2.9,
    which takes the first pair of each class in the order of the batch and has no penalty by
    default. `norm_weight` 0.001 is TensorFlow's reg_lambda 0.002, whose penalty is 1/4 of the sum
    of two means. Without a positive or without a negative pair only the penalty remains.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        norm_weight: Annotated[NonNegative, Search(1e-5, 0.1, log=True)] = 0.001,
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.norm_weight = norm_weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return n_pairs(embeddings, labels, norm_weight=self.norm_weight)


class MultiSimilarity(nn.Module):
    """Multi-similarity loss: mined pairs of each anchor in two soft maxima, with its pair mining.

    Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, CVPR
    2019, https://arxiv.org/abs/1904.06627, on the pairs that its mining keeps (`informative`).
    `base` is the paper's lambda; alpha and beta weigh the pairs. An epsilon above 2 switches the
    mining off for all anchors that have both a positive and a negative.

    Anchors without a positive or without a negative count as 0 in the mean. Differs from the
    authors' code, whose base 0.5 and epsilon 0.1 are the defaults here: its beta is 40, and it
    drops positives of cosine 1 and anchors without a mined pair of each kind. Equals
    pytorch-metric-learning 2.9 with its `MultiSimilarityMiner`, whose epsilon has the same default.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        alpha: Annotated[Positive, Search(0.2, 50, log=True)] = 2.0,
        beta: Annotated[Positive, Search(2, 200, log=True)] = 50.0,
        base: Cosine = 0.5,
        epsilon: Annotated[float, Ge(0), Le(4), Search(0, 0.6)] = 0.1,
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.settings = {"alpha": alpha, "beta": beta, "base": base, "epsilon": epsilon}

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return multi_similarity(embeddings, labels, **self.settings)


class NTXent(nn.Module):
    """NT-Xent, the contrastive loss of SimCLR, with classes instead of views of one image.

    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020,
    https://arxiv.org/abs/2002.05709, equation 1: softmax cross-entropy of each positive pair among
    the pairs of its anchor, on cosines over a temperature.

    Differs from the paper, where an anchor has one positive and all other images are negatives:
    here an anchor has a positive pair with each other image of its class, the loss is a mean over
    all of them, and the denominator holds one positive and the negatives, not the other positives
    (as in SupCon, https://arxiv.org/abs/2004.11362). Equals pytorch-metric-learning 2.9 unless a
    probability underflows: there such a pair loses its gradient, here it keeps it.
    """

    @checked
    def __init__(
        self, num_classes: Count, embedding_dim: Count, *, temperature: Temperature = 0.1
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return nt_xent(embeddings, labels, temperature=self.temperature)
