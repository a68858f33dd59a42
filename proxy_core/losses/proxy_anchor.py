"""Proxy-Anchor: every proxy is an anchor that meets the whole batch at once."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.distances import cosine_similarity, same_class
from proxy_core.losses.checks import check_batch, check_range, check_sizes
from proxy_core.losses.proxy import initial_proxies


def proxy_anchor(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float, margin: float
) -> Tensor:
    """Mean over present p of log(1 + sum over own x of e^{-s (cos(x, p) - m)}), plus mean over
    all p of log(1 + sum over other x of e^{s (cos(x, p) + m)}).

    embeddings (B, D) and proxies (C, D) of any length, labels (B,) in 0..C-1, scale s > 0 in units
    of 1/cosine, margin m in [0, 1], a cosine. A proxy is present if its class is in the batch.
    """
    cosines = cosine_similarity(embeddings, proxies)  # (B, C)
    own = labels[:, None]
    pull = pull_terms(scale * (margin - cosines.gather(1, own).squeeze(1)), labels)
    push = log_one_plus_sum_exp((scale * (cosines + margin)).scatter(1, own, -torch.inf))
    return pull + push.mean()


def pull_terms(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the classes of the batch of log(1 + sum over its images of e^logit).

    logits (B,) of each image against its own proxy, labels (B,). Column i of the (B, B) table
    holds the images of the class of image i, so a class of n images is there n times over.
    """
    same = same_class(labels)
    terms = log_one_plus_sum_exp(logits[:, None].masked_fill(~same, -torch.inf))
    shares = same.sum(dim=0).to(terms.dtype).reciprocal()
    return (terms * shares).sum() / shares.sum()


def log_one_plus_sum_exp(logits: Tensor) -> Tensor:
    """log(1 + sum over rows of e^logit), (C,) from (B, C), the 1 as an appended row of zeros.

    e^{s (1 + m)} overflows half precision at the paper's s = 32, and single precision at s = 81.
    The row also keeps a column of nothing but -inf from having NaN as its gradient.
    """
    return F.pad(logits, (0, 0, 0, 1)).logsumexp(dim=0)


class ProxyAnchor(nn.Module):
    """Proxy-Anchor: each proxy pulls its images and pushes all others, the hardest ones most.

    Kim et al., Proxy Anchor Loss for Deep Metric Learning, CVPR 2020,
    https://arxiv.org/abs/2003.13911, equation 4 with its alpha = 32 (`scale`) and delta = 0.1
    (`margin`). The pull is a mean over the classes in the batch, the push one over all C classes;
    an image's share therefore depends on the rest of the batch, and the loss of a batch is no mean
    over its images.

    Differs from the authors' code, which sums the exponentials as they are: beyond half precision
    at scale 32, and with one-hot targets that have a single column for two classes. Here both
    sums are logsumexp with an appended zero. The authors' loss is the same otherwise, as is that of
    pytorch-metric-learning 2.9. Proxies start as random directions of length about 1, there of
    length about sqrt(2 D / C).

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar > 0; ValueError for any other
    batch. ValueError when built with C < 1, D < 1, a scale outside (0, inf) or a margin outside
    [0, 1].
    """

    def __init__(
        self, num_classes: int, embedding_dim: int, *, scale: float = 32.0, margin: float = 0.1
    ) -> None:
        super().__init__()
        check_sizes(num_classes, embedding_dim, least_classes=1)
        check_range("scale", scale, low=0.0, high=torch.inf, low_allowed=False)
        check_range("margin", margin, low=0.0, high=1.0, low_allowed=True)
        self.proxies = initial_proxies(num_classes, embedding_dim)
        self.scale = scale
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.proxies.shape)
        return proxy_anchor(embeddings, labels, self.proxies, scale=self.scale, margin=self.margin)
