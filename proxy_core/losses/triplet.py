"""Triplet loss over the triplets that a mining rule picks from the batch."""

from typing import Literal

from torch import Tensor, nn

from proxy_core.distances import squared_distances
from proxy_core.losses.checks import check_batch, check_range, check_sizes
from proxy_core.mining import semi_hard


def semi_hard_triplet(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean of d(a, p) - d(a, n) + margin over all semi-hard triplets of the batch; 0 without any.

    embeddings (B, D) of any length, labels (B,), d the squared distance of unit vectors in [0, 4],
    margin > 0 in that unit. A triplet is semi-hard if d(a, p) < d(a, n) < d(a, p) + margin.
    """
    distances = squared_distances(embeddings)
    counts = semi_hard(distances.detach(), labels, margin=margin)
    triplets = counts.clamp(min=0).sum()
    # Within semi-hard triplets the hinge is linear: the sum over triplets is one over pairs.
    mean_gap = (counts * distances).sum() / triplets.clamp(min=1)
    return mean_gap + margin * (triplets > 0).to(mean_gap.dtype)


class Triplet(nn.Module):
    """Triplet loss over all semi-hard triplets of a batch.

    Schroff et al., FaceNet: A Unified Embedding for Face Recognition and Clustering, CVPR 2015,
    https://arxiv.org/abs/1503.03832, loss of section 3.1 and semi-hard negatives of section 3.2:
    d(a, p) < d(a, n) < d(a, p) + margin on squared distances of unit vectors, both strictly. The
    mean runs over all such triplets of the batch; without any the loss is exactly 0, and so is its
    gradient.

    Differs from the paper, which picks from batches of some 1,800 faces, sums, and leaves open what
    is done without a semi-hard negative. Differs from common code: TensorFlow's takes one negative
    for each positive pair, the nearest one beyond the positive, and otherwise the farthest one;
    pytorch-metric-learning 2.9 uses plain instead of squared distances unless told otherwise.

    forward: embeddings (B, D), labels (B,) in 0..C-1 -> scalar in [0, margin); ValueError for any
    other batch. Learns nothing itself: C and D serve to check the batch. ValueError when built
    with a margin outside (0, 4] (4 is the largest squared distance) or an unknown mining rule.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.2,
        mining: Literal["semi-hard"] = "semi-hard",
    ) -> None:
        super().__init__()
        check_sizes(num_classes, embedding_dim, least_classes=1)
        check_range("margin", margin, low=0.0, high=4.0, low_allowed=False)
        if mining != "semi-hard":
            raise ValueError(f"mining is {mining!r}: the only known rule is 'semi-hard'")
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, self.num_classes, self.embedding_dim)
        return semi_hard_triplet(embeddings, labels, margin=self.margin)
