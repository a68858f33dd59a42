"""Structured clustering loss: the labels against the clustering that violates them most."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.hyper_parameters import Count, NonNegative, Search, checked
from proxy_core.losses.pair_distance import plain_distances
from proxy_core.losses.parts.medoids import worst_medoids


def facility_location(embeddings: Tensor, labels: Tensor, *, margin: float, passes: int) -> Tensor:
    """Mean over the batch of d(x, medoid of its class) - d(x, nearest medoid in S), plus margin *
    (1 - NMI of the clusters around S with the labels).

    embeddings (B, D) of any length, labels (B,), margin >= 0 in the unit of d, the distance of unit
    vectors in [0, 2] -> scalar. `worst_medoids` finds S with `passes` >= 0 passes of swaps. The
    gradient flows through the distances to S but not through the choice of S.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    distances = plain_distances(embeddings).masked_fill(itself, 0.0)
    # torch.compile would otherwise trace the search, which is written in numpy, and fail.
    search = torch.compiler.disable(worst_medoids)  # type: ignore[no-untyped-call]
    own, nearest, agreement = search(
        distances.detach().cpu().double().numpy(),
        labels.cpu().numpy(),
        margin=margin,
        passes=passes,
    )
    rows = torch.arange(len(labels))
    gaps = distances[rows, torch.from_numpy(own)] - distances[rows, torch.from_numpy(nearest)]
    loss: Tensor = gaps.mean() + margin * (1.0 - agreement)
    return loss


class FacilityLocation(nn.Module):
    """Structured clustering loss: the labels must beat any other clustering by 1 - its NMI.

    Song et al., Deep Metric Learning via Facility Location, CVPR 2017,
    https://arxiv.org/abs/1612.01213, section 3. The score of a set S of images is minus the mean
    distance from the images of the batch to the nearest one in S. The loss is the maximum, over all
    sets S of as many images as the batch has classes, of score + margin * (1 - NMI of the clusters
    around S with the labels), minus the score with each image at the best medoid of its class.

    That maximum is NP-hard. As in the paper, S is built greedily and then refined by swaps of
    medoids within their clusters (PAM), here in at most `passes` passes. The S found need not be
    the best, so the value is a lower bound of the exact loss. The medoids of the classes compete
    with S. Their score is at least the score that is subtracted, so the loss is at least 0 up to
    rounding, as the exact loss is; the paper's hinge would have no effect and is left out.

    Differs from the paper, whose score is a sum: here the whole is divided by B, and the paper's
    gamma is margin * B, so that a margin means the same for every size of batch. Differs from
    TensorFlow 1's `cluster_loss`, which also has 5 passes but judges a swap by the distances within
    the old cluster: here the whole score decides, so no swap lowers it. NMI is I over the geometric
    mean of both entropies, as in that code (through scikit-learn before 0.22) and in descriptions
    of the paper; the evaluation of this project uses the arithmetic mean. With one class, or with
    one image of each class, loss and gradient are 0. Images that coincide or mirror each other can
    make the value depend on the order of the batch.

    The search runs on the CPU, in O(B^2) memory and, for C classes in the batch, in time C * B^2.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        margin: Annotated[NonNegative, Search(0.01, 100, log=True)] = 1.0,
        passes: Annotated[int, Ge(0)] = 5,
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.margin = margin
        self.passes = passes

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        return facility_location(embeddings, labels, margin=self.margin, passes=self.passes)
