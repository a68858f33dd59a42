"""Center loss: a classifier, and a pull of each embedding towards the center of its class."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import full_precision, inner_products, same_class
from proxy_core.hyper_parameters import CenterUpdate, Count, Fraction, NonNegative, Search, checked
from proxy_core.losses.parts.class_vectors import (
    ClassVectors,
    class_vectors_of,
    set_nearest_mean,
)


def center_pull(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Half the mean over the batch of the squared distance |x - c_y|^2 to the center of the own
    class.

    embeddings (B, D) and centers (C, D) in the same unit, not normalised; labels (B,) in 0..C-1 ->
    scalar.
    """
    differences = full_precision(embeddings) - centers[labels]
    return 0.5 * differences.square().sum(dim=1).mean()


@torch.no_grad()
def move_centers(embeddings: Tensor, labels: Tensor, centers: Tensor, *, rate: float) -> None:
    """Move centers in place by one batch: c - rate * (sum of c - x over its n images) / (1 + n).

    embeddings (B, D), labels (B,) in 0..C-1, centers (C, D), rate in [0, 1]. Only the centers of
    classes in the batch are read and written, because the table is large when classes are many.
    """
    counts = same_class(labels).sum(dim=1, keepdim=True)  # (B, 1): n of the own class
    steps = (embeddings.to(centers.dtype) - centers[labels]) * (rate / (1 + counts))
    centers.index_add_(0, labels, steps.to(centers.dtype))


class Center(nn.Module):
    """Softmax classifier with center loss: embeddings are pulled to the center of their class.

    Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition, ECCV 2016,
    https://doi.org/10.1007/978-3-319-46478-7_31 (not on arXiv): cross-entropy of a linear layer
    plus weight / 2 times the squared distance to the center of the class, on raw embeddings.

    With `update` "paper" the centers are a buffer, moved after each batch in training mode with
    alpha = `center_rate`: c - alpha * (sum of c - x) / (1 + count). The loss of a batch uses the
    centers from before it, and evaluation mode leaves them unchanged, like running statistics. With
    "gradient" the centers are a parameter with the gradient of the loss, weight / B * (sum of c -
    x), without the (1 + count); `center_rate` is not used.

    Differs from the paper: both terms are means over the batch instead of sums, so `weight` (the
    paper's lambda) means the same and the whole is divided by B. Differs from common PyTorch code,
    https://github.com/KaiyangZhou/pytorch-center-loss, which lacks the 1/2, starts from random
    centers, and divides their gradient by the weight (its issue 2). Here the gradient is not
    divided: the optimizer's rate can make up for that, and Adam's steps hardly depend on the size
    of gradients. Centers start at zero; the linear layer has a bias and PyTorch's initialisation.
    """

    centers: Tensor

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        weight: Annotated[NonNegative, Search(1e-5, 1, log=True)] = 0.003,
        center_rate: Annotated[Fraction, Search(0.02, 1)] = 0.5,
        update: CenterUpdate = "paper",
    ) -> None:
        super().__init__()
        self.head = nn.Linear(embedding_dim, num_classes)
        start = torch.zeros(num_classes, embedding_dim)
        if update == "paper":
            self.register_buffer("centers", start)
        else:
            self.centers = nn.Parameter(start)
        self.weight = weight
        self.center_rate = center_rate
        self.update = update

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.centers.shape)
        logits = inner_products(embeddings, self.head.weight) + self.head.bias
        # `centers[labels]` is a copy: centers may move before the backward pass.
        pull = center_pull(embeddings, labels, self.centers)
        if self.training and self.update == "paper":
            move_centers(embeddings, labels, self.centers, rate=self.center_rate)
        return F.cross_entropy(logits, labels) + self.weight * pull

    def class_vectors(self) -> ClassVectors:
        return class_vectors_of(self.centers)

    @torch.no_grad()
    def start_at_means(self, means: Tensor) -> None:
        self.centers.copy_(means)
        set_nearest_mean(self.head, means)
