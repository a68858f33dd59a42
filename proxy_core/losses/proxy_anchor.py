"""Proxy-Anchor: every proxy is an anchor that is compared with the whole batch at once."""

from typing import Annotated

from torch import Tensor, nn

from proxy_core.hyper_parameters import (
    AssignmentRule,
    Count,
    Fraction,
    ProxiesPerClass,
    Scale,
    Search,
    checked,
)
from proxy_core.losses.parts.assignment import Assigner, Assignment
from proxy_core.losses.parts.class_vectors import ClassVectors
from proxy_core.losses.parts.masked_sums import log_one_plus, log_sum_exp
from proxy_core.losses.proxy import initial_proxies


def proxy_anchor(cosines: Tensor, assignment: Assignment, *, scale: float, margin: float) -> Tensor:
    """Mean over occupied proxies p of log(1 + sum over own x of e^{-s (cos(x, p) - m)}), plus mean
    over all p of log(1 + sum over the x that have p as a negative of e^{s (cos(x, p) + m)}).

    cosines (B, P), scale s > 0 in units of 1/cosine, margin m in [0, 1], a cosine -> scalar. A
    proxy is occupied if it is the positive one of an image; the image counts by the weight of the
    pair.
    """
    pairs = (assignment.image, assignment.proxy)
    pull = pull_terms(scale * (margin - cosines[pairs]), assignment, num_proxies=cosines.shape[1])
    pushed = assignment.negative.clone()
    pushed[pairs] = False
    push = log_one_plus(log_sum_exp(cosines.T, pushed.T, scale) + scale * margin)  # (P,)
    return pull + push.mean()


def pull_terms(logits: Tensor, assignment: Assignment, *, num_proxies: int) -> Tensor:
    """Mean over the occupied of P proxies of log(1 + sum over its pairs of weight e^logit).

    logits (L,) of the positive pairs -> scalar. The largest term of each proxy, the 1 included, is
    factored out of its sum, which therefore neither overflows nor vanishes.
    """
    proxy, zeros = assignment.proxy, logits.new_zeros(num_proxies)
    largest = zeros.scatter_reduce(0, proxy, logits.detach(), "amax")  # (P,), 0 for the 1
    terms = assignment.weight * (logits - largest[proxy]).exp()
    sums = (-largest).exp().index_add(0, proxy, terms)
    occupied = zeros.index_fill(0, proxy, 1.0)
    return ((largest + sums.log()) * occupied).sum() / occupied.sum()


class ProxyAnchor(nn.Module):
    """Proxy-Anchor: each proxy pulls its images and pushes all others, the hardest ones most.

    Kim et al., Proxy Anchor Loss for Deep Metric Learning, CVPR 2020,
    https://arxiv.org/abs/2003.13911, equation 4 with its alpha = 32 (`scale`) and delta = 0.1
    (`margin`). The pull is a mean over the classes in the batch, the push a mean over all C
    classes. The weight of an image therefore depends on the rest of the batch, and the loss of a
    batch is not a mean over its images.

    `assignment` and `proxies_per_class` come from the paper of `ProxyNCA`. With them the first mean
    is over the occupied proxies, the second over all proxies. An image is not pushed from a proxy
    that it is pulled to.

    Differs from the authors' code, which sums the exponentials directly: that overflows half
    precision at scale 32, and its one-hot targets have a single column for two classes. Here both
    sums are taken as logarithms. Otherwise the loss equals that code and pytorch-metric-learning
    2.9. There proxies start at a length of about sqrt(2 D / C).
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        scale: Scale = 32.0,
        margin: Annotated[Fraction, Search(0, 0.6)] = 0.1,
        assignment: AssignmentRule = "static",
        proxies_per_class: ProxiesPerClass = 1.0,
    ) -> None:
        super().__init__()
        self.assign = Assigner(num_classes, assignment, proxies_per_class)
        self.proxies = initial_proxies(self.assign.num_proxies, embedding_dim)
        self.scale = scale
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines, assigned = self.assign(embeddings, labels, self.proxies)
        return proxy_anchor(cosines, assigned, scale=self.scale, margin=self.margin)

    def class_vectors(self) -> ClassVectors:
        return self.assign.class_vectors(self.proxies)
