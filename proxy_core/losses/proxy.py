"""Proxy-NCA: learned vectors, the proxies, replace the images that an image is compared with."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from proxy_core.hyper_parameters import (
    AssignmentRule,
    Count,
    ProxiesPerClass,
    Scale,
    Temperature,
    checked,
)
from proxy_core.losses.parts.assignment import Assigner, Assignment
from proxy_core.losses.parts.class_vectors import ClassVectors
from proxy_core.losses.parts.masked_sums import log_one_plus, log_sum_exp


def proxy_nca(cosines: Tensor, assignment: Assignment, *, scale: float) -> Tensor:
    """Mean over images x of -log(e^{s cos(x, p)} / sum over negatives q of e^{s cos(x, q)}).

    cosines (B, P) of images and proxies; p is the positive proxy of x, or each of several with its
    weight; scale s > 0 in units of 1/cosine -> scalar. `ProxyNCA` relates s to squared distances.
    The mean leaves out pairs without negatives; if no other pair exists it is 0.
    """
    gaps = nca_gaps(cosines, assignment, scale=scale)
    left_out = gaps == -torch.inf
    shares = assignment.weight.masked_fill(left_out, 0.0)
    return (gaps.masked_fill(left_out, 0.0) * (shares / shares.sum().clamp(min=1.0))).sum()


def proxy_nca_softmax(cosines: Tensor, assignment: Assignment, *, scale: float) -> Tensor:
    """Mean over images x of -log(e^{s cos(x, p)} / sum over p and negatives q of e^{s cos(x, q)}).

    Arguments as in `proxy_nca`. For one image and proxy this is log(1 + e^v), with v the value of
    `proxy_nca`. An image without negatives counts as 0.
    """
    losses = log_one_plus(nca_gaps(cosines, assignment, scale=scale))
    return (losses * assignment.weight).sum() / len(cosines)


def nca_gaps(cosines: Tensor, assignment: Assignment, *, scale: float) -> Tensor:
    """log(sum over negatives q of e^{s cos(x, q)}) - s cos(x, p) of each positive pair (L,).

    Arguments as in `proxy_nca`; -inf for a pair without negatives.
    """
    image, proxy, _, negative = assignment
    rivals = log_sum_exp(cosines, negative, scale)[image]
    near = scale * cosines[image, proxy]
    both = negative[image, proxy]
    if both.any():
        rivals = torch.where(both, without_own(cosines, assignment, rivals, near, scale), rivals)
    return rivals - near


def without_own(
    cosines: Tensor, assignment: Assignment, rivals: Tensor, near: Tensor, scale: float
) -> Tensor:
    """Log-sums (L,) over negatives with the pair's positive proxy, which is one of them, taken out.

    rivals: the log-sums (L,) with it; near: scale times the cosine (L,) of each pair. The
    subtraction loses digits only if the positive proxy is the largest term; there the sum is
    computed again without it. The value for any other pair has no meaning.
    """
    image, proxy, _, negative = assignment
    top = cosines.masked_fill(~negative, -torch.inf).argmax(dim=1, keepdim=True)
    rest = log_sum_exp(cosines, negative.scatter(1, top, False), scale)[image]
    largest = top[image, 0] == proxy
    smaller = negative[image, proxy] & ~largest  # its share of the sum is at most a half
    share = (near - rivals).masked_fill(~smaller, -torch.inf).exp()
    return torch.where(largest, rest, rivals + torch.log1p(-share))


class ProxyNCA(nn.Module):
    """Proxy-NCA as published: the positive proxy is not in the denominator.

    Movshovitz-Attias et al., No Fuss Distance Metric Learning using Proxies, ICCV 2017,
    https://arxiv.org/abs/1703.07464. The loss normalises embeddings and proxies to unit length.
    `assignment` and `proxies_per_class` select among the paper's rules, which
    `proxy_core.losses.parts.assignment` defines; the default is one proxy for each class.

    Differs from the paper: squared distances of unit vectors are 2 - 2 cos, and constants cancel in
    the ratio, so the formula is written with cosines and one `scale` s. The paper's unit vectors
    have s = 2. Code that scales embeddings to length a and proxies to length b has |a x - b p|^2 =
    a^2 + b^2 - 2 a b cos, hence s = 2 a b: the common (3, 3) is s = 18. Differs from common code,
    which sums over all proxies: see `ProxyNCASoftmax`. This form does not saturate, and its values
    may be negative.
    """

    @checked
    def __init__(
        self,
        num_classes: Annotated[int, Ge(2)],
        embedding_dim: Count,
        *,
        scale: Scale = 18.0,
        assignment: AssignmentRule = "static",
        proxies_per_class: ProxiesPerClass = 1.0,
    ) -> None:
        super().__init__()
        self.assign = Assigner(num_classes, assignment, proxies_per_class)
        self.proxies = initial_proxies(self.assign.num_proxies, embedding_dim)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines, assigned = self.assign(embeddings, labels, self.proxies)
        return proxy_nca(cosines, assigned, scale=self.scale)

    def class_vectors(self) -> ClassVectors:
        return self.assign.class_vectors(self.proxies)


class ProxyNCASoftmax(nn.Module):
    """Proxy-NCA as most code has it: a softmax over all proxies, the positive one among them.

    The formula of Movshovitz-Attias et al., ICCV 2017, https://arxiv.org/abs/1703.07464, except for
    its denominator. `ProxyNCAPlusPlus` is the same loss, written with a temperature. Scale and
    assignment are those of `ProxyNCA`.

    Differs from pytorch-metric-learning 2.9, which drops samples whose probability underflows; here
    they keep their loss and gradient. With more than one proxy per class the softmax is over the
    nearest one of the own class and all proxies of the other classes.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        scale: Scale = 18.0,
        assignment: AssignmentRule = "static",
        proxies_per_class: ProxiesPerClass = 1.0,
    ) -> None:
        super().__init__()
        self.assign = Assigner(num_classes, assignment, proxies_per_class)
        self.proxies = initial_proxies(self.assign.num_proxies, embedding_dim)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines, assigned = self.assign(embeddings, labels, self.proxies)
        return proxy_nca_softmax(cosines, assigned, scale=self.scale)

    def class_vectors(self) -> ClassVectors:
        return self.assign.class_vectors(self.proxies)


class ProxyNCAPlusPlus(nn.Module):
    """ProxyNCA++: the probability of the positive proxy among all, at a low temperature.

    Teh et al., ProxyNCA++: Revisiting and Revitalizing Proxy Neighborhood Component Analysis, ECCV
    2020, https://arxiv.org/abs/2004.01113: the proxy assignment probability, a softmax of -|x -
    p|^2 / T over unit vectors, with its T = 1/9. That is `proxy_nca_softmax` at scale = 2 / T,
    which is 18 for the default.

    Differs from the paper: only its loss is here. The pooling and layer normalisation
    belong to the network, which the data set fixes here; the sampling is `samples_per_class`, and
    the fast proxies are `loss_learning_rate`. `assignment` and `proxies_per_class` come from the
    paper of `ProxyNCA`.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        temperature: Temperature = 1 / 9,
        assignment: AssignmentRule = "static",
        proxies_per_class: ProxiesPerClass = 1.0,
    ) -> None:
        super().__init__()
        self.assign = Assigner(num_classes, assignment, proxies_per_class)
        self.proxies = initial_proxies(self.assign.num_proxies, embedding_dim)
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines, assigned = self.assign(embeddings, labels, self.proxies)
        return proxy_nca_softmax(cosines, assigned, scale=2 / self.temperature)

    def class_vectors(self) -> ClassVectors:
        return self.assign.class_vectors(self.proxies)


def initial_proxies(num_proxies: int, embedding_dim: int) -> nn.Parameter:
    """Random directions (P, D) of expected squared length 1, from torch's global generator."""
    return nn.Parameter(torch.randn(num_proxies, embedding_dim) / embedding_dim**0.5)
