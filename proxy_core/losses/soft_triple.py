"""SoftTriple: every class has several centers, and an image belongs softly to each of them."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import full_precision, root, unit
from proxy_core.hyper_parameters import (
    Count,
    CountPerClass,
    Fraction,
    NonNegative,
    Scale,
    Search,
    Temperature,
    checked,
)
from proxy_core.losses.parts.class_vectors import ClassVectors, class_vectors_of
from proxy_core.losses.parts.proxy_cosines import proxy_cosines


def soft_triple(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    *,
    scale: float,
    margin: float,
    temperature: float,
) -> Tensor:
    """Mean over the batch of the softmax loss on s S_c, where the own class has s (S_y - m).

    S_c is the mean of cos(x, w_ck) over the K centers of class c under the weights softmax over k
    of cos(x, w_ck) / T. embeddings (B, D) and centers (C, K, D) of any length, labels (B,) in
    0..C-1, scale s > 0 in units of 1/cosine, margin m in [0, 1] and temperature T > 0 as cosines ->
    scalar.
    """
    cosines = proxy_cosines(embeddings, centers.flatten(0, 1))  # (B, C K)
    cosines = cosines.reshape(-1, *centers.shape[:2])  # (B, C, K)
    similarities = (F.softmax(cosines / temperature, dim=2) * cosines).sum(dim=2)  # (B, C)
    own = labels[:, None]
    lowered = similarities.gather(1, own) - margin
    return F.cross_entropy(scale * similarities.scatter(1, own, lowered), labels)


def center_spread(centers: Tensor) -> Tensor:
    """Half the mean distance |w_s - w_t| between the directions of two centers of one class.

    centers (C, K, D) of any length -> scalar in [0, 1]; the mean is over all pairs s < t of all
    classes, and is 0 for K = 1. Centers that coincide have gradient 0.
    """
    classes, count, dim = centers.shape
    directions = unit(full_precision(centers).reshape(-1, dim)).reshape(classes, count, dim)
    with torch.autocast(centers.device.type, enabled=False):
        cosines = directions @ directions.mT  # (C, K, K)
    first, second = torch.triu_indices(count, count, offset=1, device=centers.device)
    distances = root(2.0 - 2.0 * cosines[:, first, second])
    spread: Tensor = 0.5 * distances.sum() / max(distances.numel(), 1)
    return spread


class SoftTriple(nn.Module):
    """SoftTriple: softmax over classes of several centers each, which merge if not needed.

    Qian et al., SoftTriple Loss: Deep Metric Learning Without Triplet Sampling, ICCV 2019,
    https://arxiv.org/abs/1909.05235, with its lambda = 20 (`scale`), delta = 0.01 (`margin`),
    gamma = 0.1 (`temperature`), K = 10 and tau = 0.2 (`spread_weight`). The regulariser is
    tau / (C K (K-1)) times the sum of sqrt(2 - 2 w_s w_t) over the pairs s < t of each class, hence
    tau / 2 times the mean distance. With K = 1 it is 0, and the loss is `cosface`.

    Differs from the authors' code, which adds 1e-5 under the root against the infinite gradient
    where two centers have merged; here the root is exact and such a pair has gradient 0. Differs
    from pytorch-metric-learning 2.9, where the regulariser is an argument and off by default. The
    loss normalises the embeddings. Centers start as in the authors' code, each number uniform
    within 1 / sqrt(C K) of 0.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        scale: Scale = 20.0,
        margin: Annotated[Fraction, Search(0, 0.6)] = 0.01,
        temperature: Temperature = 0.1,
        centers_per_class: CountPerClass = 10,
        spread_weight: Annotated[NonNegative, Search(0.001, 10, log=True)] = 0.2,
    ) -> None:
        super().__init__()
        bound = (num_classes * centers_per_class) ** -0.5
        self.centers = nn.Parameter(
            torch.empty(num_classes, centers_per_class, embedding_dim).uniform_(-bound, bound)
        )
        self.settings = {"scale": scale, "margin": margin, "temperature": temperature}
        self.spread_weight = spread_weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, self.centers.shape[0], self.centers.shape[2])
        value = soft_triple(embeddings, labels, self.centers, **self.settings)
        return value + self.spread_weight * center_spread(self.centers)

    def class_vectors(self) -> ClassVectors:
        return class_vectors_of(self.centers)
