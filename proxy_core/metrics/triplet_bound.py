"""The triplet bound: the 2017 paper's inequality between the losses of triplets and of proxies."""

from dataclasses import dataclass

import torch
from torch import Tensor

from proxy_core.metrics.few_shot import checked_positions
from proxy_core.metrics.retrieval import checked

ROWS = 256  # anchors at a time, so that memory grows with the number of images only


@dataclass(frozen=True)
class TripletBound:
    """Both sides of rank_loss <= proxy_rank_loss + near_tie, over `triplets` triplets (x, y, z).

    rank_loss: share of triplets with d(x, y) > d(x, z). proxy_rank_loss: share with
    d(x, p(y)) > d(x, p(z)). near_tie: share with |d(x, p(y)) - d(x, p(z))| <= 2 epsilon. epsilon:
    the largest d(x, p(x)), in [0, 2].
    """

    rank_loss: float
    proxy_rank_loss: float
    near_tie: float
    epsilon: float
    triplets: int

    @property
    def bound(self) -> float:
        """The right side, which holds for every embedding if it is above 1."""
        return self.proxy_rank_loss + self.near_tie


@torch.no_grad()
def triplet_bound(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, proxy_of: Tensor
) -> TripletBound:
    """Both sides of the bound, over all triplets: x and y of one class, z of another.

    embeddings (N, D), proxies (P, D): of any length. labels (N,): integers. proxy_of (N,): integers
    in 0..P-1, the proxy p(x) of each image; the label, for one static proxy per class. Computed in
    float64 in O(N (N + P) (D + log N)) time and O(256 (N + P)) memory.

    Raises ValueError for shapes that do not fit, values that are not finite, proxies out of range,
    and labels without any triplet.

    Movshovitz-Attias et al., No Fuss Distance Metric Learning using Proxies, ICCV 2017,
    https://arxiv.org/abs/1703.07464, section 3: by the triangle inequality, the gap d(x, y) - d(x,
    z) and the gap to the proxies differ by at most 2 epsilon. So d is the distance of unit vectors,
    not its square, for which the inequality does not hold. Probabilities are shares of all
    triplets with x and y different images.
    """
    points, labels, _ = checked("embeddings", embeddings, labels, labels, embeddings)
    numbers = torch.arange(len(proxies))
    ends = checked("proxies", proxies, numbers, numbers, embeddings)[0]
    proxy_of = checked_positions("proxy_of", proxy_of, len(proxies), points.device)
    if proxy_of.shape != labels.shape:
        raise ValueError(f"proxy_of has shape {tuple(proxy_of.shape)}: expected ({len(labels)},)")
    classes, of_class = torch.unique(labels, return_counts=True)
    if len(classes) < 2 or of_class.max() < 2:
        raise ValueError("labels hold no triplet: expected two images of a class and another class")
    counts = torch.zeros(4, dtype=torch.int64, device=points.device)
    epsilon = torch.linalg.vector_norm(points - ends[proxy_of], dim=1).max()
    for rows in torch.split(torch.arange(len(points), device=points.device), ROWS):
        between = torch.cdist(points[rows], points, compute_mode="donot_use_mm_for_euclid_dist")
        to_proxies = torch.cdist(points[rows], ends, compute_mode="donot_use_mm_for_euclid_dist")
        near = to_proxies[:, proxy_of]  # (rows, N): d(x, p(y)) for every image y
        for x, row in enumerate(rows.tolist()):
            own = labels == labels[row]
            other = ~own
            own[row] = False
            counts += anchor_counts(between[x], near[x], own, other, 2 * epsilon)
    wrong, proxy_wrong, ties, triplets = counts.tolist()
    return TripletBound(
        wrong / triplets, proxy_wrong / triplets, ties / triplets, epsilon.item(), triplets
    )


def anchor_counts(
    between: Tensor, near: Tensor, own: Tensor, other: Tensor, width: Tensor
) -> Tensor:
    """Numbers (4,) of one anchor's triplets: wrong order, wrong order by proxies, near ties, all.

    between (N,) distances to the images, near (N,) to their proxies, own and other (N,) masks.
    """
    negatives, rivals = between[other].sort().values, near[other].sort().values
    wrong = torch.searchsorted(negatives, between[own]).sum()
    proxy_wrong = torch.searchsorted(rivals, near[own]).sum()
    ends = torch.searchsorted(rivals, near[own] + width, right=True)
    ties = (ends - torch.searchsorted(rivals, near[own] - width)).sum()
    return torch.stack([wrong, proxy_wrong, ties, own.sum() * other.sum()])
