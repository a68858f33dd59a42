"""Proxy assignment: the proxies that represent an image, statically or dynamically.

Movshovitz-Attias et al., No Fuss Distance Metric Learning using Proxies, ICCV 2017,
https://arxiv.org/abs/1703.07464, section 3. A proxy loss compares an image with its positive
proxies and with negative ones, which represent images of other classes; a rule of assignment
selects both.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import same_class
from proxy_core.hyper_parameters import AssignmentRule
from proxy_core.losses.parts.class_vectors import ClassVectors, class_vectors_of
from proxy_core.losses.parts.proxy_cosines import proxy_cosines


class Assignment(NamedTuple):
    """Positive and negative proxies of a batch of B images, among P proxies.

    image (L,), proxy (L,) int64: the positive pairs, each listed once. weight (L,) in (0, 1]: the
    weight of a pair among the pairs of its image, which add up to 1. negative (B, P) bool: true
    where a proxy is a negative of an image. Dynamic assignment may make a proxy positive and
    negative for one image; a loss then leaves it out of the negatives of that pair.
    """

    image: Tensor
    proxy: Tensor
    weight: Tensor
    negative: Tensor


@torch.no_grad()
def static_assignment(cosines: Tensor, labels: Tensor, members: Tensor) -> Assignment:
    """The nearest proxy of the own class is positive, every proxy of another class negative.

    cosines (B, P) of images and proxies, labels (B,) in 0..C-1, members (C, K) the proxies of each
    class. With K = 1 this is the paper's p(x) = p_c(x). Rows of `members` may be equal: classes
    that share a proxy are not each other's negatives, because the loss could not separate them.
    With K > 1, which the paper does not try, the other proxies of the own class take no part, and
    the first of equally near ones is taken.
    """
    own = members[labels]  # (B, K)
    nearest = cosines.gather(1, own).argmax(dim=1, keepdim=True)
    proxy = own.gather(1, nearest).squeeze(1)
    negative = torch.ones(cosines.shape, dtype=torch.bool, device=cosines.device)
    image = torch.arange(len(labels), device=labels.device)
    return Assignment(
        image, proxy, torch.ones_like(cosines[:, 0]), negative.scatter_(1, own, False)
    )


@torch.no_grad()
def dynamic_assignment(cosines: Tensor, labels: Tensor) -> Assignment:
    """Each image is assigned to its nearest proxy; a proxy belongs to no class.

    cosines (B, P), labels (B,), of which only equality is used. The paper's triplet of x, a similar
    y and dissimilar Z becomes (x, p(y), p(Z)) with p(x) the nearest proxy of x. Here y is each
    other image of the batch with the label of x, with equal weights, or x itself if there is none;
    Z is all images with another label. The paper does not define the case p(y) = p(z): here such a
    z is left out of that triplet, because a proxy cannot be both near and far. If all images of a
    batch have the same nearest proxy, no triplet remains and the loss is 0: training stops. A
    network that starts from random weights can end there, and on `glyphs` it did.
    """
    nearest = cosines.argmax(dim=1)
    same = same_class(labels).to(cosines.dtype)
    partners = same.clone().fill_diagonal_(0)
    alone = partners.sum(dim=1, keepdim=True) == 0
    partners = torch.where(alone, same, partners)
    shares = weight_at_nearest(partners / partners.sum(dim=1, keepdim=True), nearest, cosines)
    image, proxy = shares.nonzero(as_tuple=True)
    negative = weight_at_nearest(1 - same, nearest, cosines) > 0
    return Assignment(image, proxy, shares[image, proxy], negative)


def weight_at_nearest(weights: Tensor, nearest: Tensor, cosines: Tensor) -> Tensor:
    """Total weight (B, P) of the images (B, B) of each row at the proxy nearest to them."""
    return torch.zeros_like(cosines).index_add_(1, nearest, weights)


def shared_members(num_classes: int, num_proxies: int) -> Tensor:
    """The one proxy (C, 1) of each class, drawn from torch's global generator and then fixed.

    Each proxy gets C // P classes or one more. The paper assigns labels at random, which could
    leave a proxy without a class.
    """
    members = torch.empty(num_classes, 1, dtype=torch.int64)
    members[torch.randperm(num_classes), 0] = torch.arange(num_classes) % num_proxies
    return members


class Assigner(nn.Module):
    """The assignment rule of a proxy loss, with its table of shared proxies.

    `proxies_per_class` r determines the number of proxies, P = `num_proxies`: r C rounded, at least
    1. Static: r < 1 lets classes share them, r = 1 gives one to each class, r = 2, 3, ... that many
    to each class. Dynamic: any r > 0.

    forward: embeddings (B, D), labels (B,), proxies (P, D) -> their cosines (B, P) and Assignment;
    ValueError as from `check_batch`. ValueError when built with r > 1 that is not a whole number
    under the static rule, or with r C that rounds to one proxy for several classes.
    """

    members: Tensor | None

    def __init__(
        self, num_classes: int, assignment: AssignmentRule, proxies_per_class: float
    ) -> None:
        super().__init__()
        if assignment == "static" and proxies_per_class > 1 and proxies_per_class % 1:
            raise ValueError(
                f"proxies_per_class is {proxies_per_class}: above 1 the static rule gives every "
                "class the same number, so it must be a whole number; or use the dynamic rule"
            )
        self.num_classes = num_classes
        self.num_proxies = max(1, round(proxies_per_class * num_classes))
        if self.num_proxies < min(num_classes, 2):
            raise ValueError(
                f"proxies_per_class is {proxies_per_class}: that is one proxy for {num_classes} "
                "classes, from which nothing can be learned; it takes at least two"
            )
        shared = self.num_proxies < num_classes
        members: Tensor | None = None
        if assignment == "static" and shared:
            members = shared_members(num_classes, self.num_proxies)
        elif assignment == "static":
            members = torch.arange(self.num_proxies).reshape(num_classes, -1)
        # Only what was drawn must be kept by a checkpoint.
        self.register_buffer("members", members, persistent=shared)

    def forward(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor
    ) -> tuple[Tensor, Assignment]:
        check_batch(embeddings, labels, self.num_classes, proxies.shape[1])
        cosines = proxy_cosines(embeddings, proxies)
        if self.members is None:
            return cosines, dynamic_assignment(cosines, labels)
        return cosines, static_assignment(cosines, labels, self.members)

    def class_vectors(self, proxies: Tensor) -> ClassVectors:
        """The proxies (P, D) with their classes: -1 under the dynamic rule and for shared ones."""
        if self.members is None or self.num_proxies < self.num_classes:
            classes = torch.full((len(proxies),), -1, device=proxies.device)
            return ClassVectors(proxies.detach(), classes)
        return class_vectors_of(proxies.view(*self.members.shape, -1))
