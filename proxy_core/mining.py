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
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positives = distances.masked_fill(~same | itself, torch.inf).sort(dim=1).values
    negatives = distances.masked_fill(same, torch.inf).sort(dim=1).values
    # Both counts compare d(a, n) with the same two rounded numbers, so they always agree.
    nearer_than_border = torch.searchsorted(negatives, distances + margin)
    not_beyond_positive = torch.searchsorted(negatives, distances, right=True)
    started = torch.searchsorted(positives, distances)
    ended = torch.searchsorted(positives + margin, distances, right=True)
    counts = torch.where(same, nearer_than_border - not_beyond_positive, ended - started)
    return counts.masked_fill(itself, 0)
