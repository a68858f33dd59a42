"""Which triplets of a batch count, as weights of its pairs: O(B^2) memory, no list of triplets."""

import torch
from torch import Tensor

from proxy_core.distances import same_class


@torch.no_grad()
def semi_hard(distances: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Signed numbers (B, B) of semi-hard triplets in which a pair of the batch takes part.

    A triplet (a, p, n) is semi-hard if d(a, p) < d(a, n) < d(a, p) + margin, both strictly
    (Schroff et al., FaceNet, section 3.2, https://arxiv.org/abs/1503.03832). Entry (a, p) counts
    the negatives n of that positive pair; entry (a, n) is minus the number of its positives p. A
    sum over triplets of d(a, p) - d(a, n) is therefore a sum over pairs of count * distance,
    without ever holding the up to B^3 triplets.

    distances (B, B) and margin in the same unit, labels (B,) -> int64. Differs from
    pytorch-metric-learning 2.9 only on the border: its `semihard` also takes
    d(a, n) = d(a, p) + margin, where the hinge is 0.
    """
    same = same_class(labels)
    negatives = distances.masked_fill(same, torch.inf)
    counts = torch.zeros(same.shape, dtype=torch.int64, device=same.device)
    anchors, positives = same.fill_diagonal_(False).nonzero(as_tuple=True)
    size = len(labels)  # pairs at a time, so that a mask has the size of the distances
    for a, p in zip(torch.split(anchors, size), torch.split(positives, size), strict=True):
        near, far = distances[a, p][:, None], negatives[a]
        mined = (near < far) & (far < near + margin)
        counts[a, p] = mined.sum(dim=1)
        counts.index_add_(0, a, mined.long(), alpha=-1)
    return counts
