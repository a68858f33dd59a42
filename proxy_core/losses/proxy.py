"""Proxy-NCA: every class is represented by one learned vector instead of sampled images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.distances import cosine_similarity
from proxy_core.losses.checks import check_batch, check_range, check_sizes


def proxy_nca(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float) -> Tensor:
    """Mean over the batch of -log(e^{s cos(x, p_y)} / sum over z != y of e^{s cos(x, p_z)}).

    embeddings (B, D) and proxies (C, D) of any length, labels (B,) in 0..C-1, scale s > 0 in units
    of 1/cosine; needs C >= 2. `ProxyNCA` says how s relates to the paper's squared distances.
    """
    logits = scale * cosine_similarity(embeddings, proxies)  # (B, C)
    own = labels[:, None]
    others = logits.scatter(1, own, -torch.inf)
    return (others.logsumexp(dim=1) - logits.gather(1, own).squeeze(1)).mean()


def proxy_nca_softmax(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float
) -> Tensor:
    """Mean over the batch of -log(e^{s cos(x, p_y)} / sum over all z of e^{s cos(x, p_z)}).

    Shapes and units as in `proxy_nca`; each sample's loss is softplus of its loss there.
    """
    return F.cross_entropy(scale * cosine_similarity(embeddings, proxies), labels)


class ProxyNCA(nn.Module):
    """Proxy-NCA as published: the own proxy is not in the denominator.

    Movshovitz-Attias et al., No Fuss Distance Metric Learning using Proxies, ICCV 2017,
    https://arxiv.org/abs/1703.07464. One proxy for each class (static assignment), embeddings and
    proxies normalised to unit length by the loss.

    Differs from the paper: squared distances of unit vectors are 2 - 2 cos, and constants cancel
    in the ratio, so the formula is written with cosines and one `scale` s. The paper's unit
    vectors have s = 2. Code that stretches embeddings to length a and proxies to length b has
    |a x - b p|^2 = a^2 + b^2 - 2 a b cos, hence s = 2 a b: the common (3, 3) is s = 18. Differs
    from common code, which sums over all proxies: see `ProxyNCASoftmax`. This form does not
    saturate, and negative values are right. Proxies start as random directions of length about 1.

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar; ValueError for any other batch.
    ValueError when built with C < 2, D < 1 or a scale outside (0, inf).
    """

    def __init__(self, num_classes: int, embedding_dim: int, *, scale: float = 18.0) -> None:
        super().__init__()
        check_sizes(num_classes, embedding_dim, least_classes=2)
        check_range("scale", scale, low=0.0, high=torch.inf, low_allowed=False)
        self.proxies = initial_proxies(num_classes, embedding_dim)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.proxies.shape)
        return proxy_nca(embeddings, labels, self.proxies, scale=self.scale)


class ProxyNCASoftmax(nn.Module):
    """Proxy-NCA as a softmax over all proxies, the own one included.

    Teh et al., ProxyNCA++: Revisiting and Revitalizing Proxy Neighborhood Component Analysis,
    ECCV 2020, https://arxiv.org/abs/2004.01113, which maximises the probability that an embedding
    is assigned to its proxy. Also what most code that is called Proxy-NCA computes.

    Differs from ProxyNCA++: only the loss is taken, not its pooling, layer normalisation and
    sampling. `scale` multiplies the cosine; the paper's temperature T divides squared distances,
    hence scale = 2 / T, and T = 1/9 is the default of 18. Differs from pytorch-metric-learning 2.9,
    which drops samples whose probability underflows; here they keep their loss and gradient.
    Proxies start as random directions of length about 1.

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar >= 0; ValueError for any other
    batch. ValueError when built with C < 1, D < 1 or a scale outside (0, inf).
    """

    def __init__(self, num_classes: int, embedding_dim: int, *, scale: float = 18.0) -> None:
        super().__init__()
        check_sizes(num_classes, embedding_dim, least_classes=1)
        check_range("scale", scale, low=0.0, high=torch.inf, low_allowed=False)
        self.proxies = initial_proxies(num_classes, embedding_dim)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.proxies.shape)
        return proxy_nca_softmax(embeddings, labels, self.proxies, scale=self.scale)


def initial_proxies(num_classes: int, embedding_dim: int) -> nn.Parameter:
    """Random directions (C, D) of expected squared length 1, from torch's global generator."""
    return nn.Parameter(torch.randn(num_classes, embedding_dim) / embedding_dim**0.5)
