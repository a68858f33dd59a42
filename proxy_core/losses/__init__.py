"""All losses by name, and the contract of a loss.

Construction: `Loss(num_classes, embedding_dim, *, hyper_parameter=default, ...)`, with a type of
`proxy_core.hyper_parameters` for every argument. A value outside its type raises a ValueError that
names the argument, the value and the allowed range, and so does a combination that has no meaning.
A loss that does not need C or D takes them all the same, to check batches.

Call: `loss(embeddings, labels)` with raw embeddings (B, D), not normalised, and int64 labels (B,)
in 0..C-1 -> a scalar of the size of a mean, independent of the order of the batch, and at least 0
unless the docstring says otherwise. Cosines and distances d are those of directions, because
retrieval ranks by cosine, also where the paper does not normalise. Where a formula over pairs or
triplets finds none in the batch, loss and gradients are exactly 0, except for terms that its
docstring names. Any other batch, or an empty one, raises ValueError.

Numbers: computed in float32 at least, also under autocast and from half-precision embeddings.
Gradients are finite, also for zero embeddings and for classes that are absent from the batch, as
far as the type of the embeddings can hold them. An embedding with NaN gives NaN, and one whose
squared length is infinite (a length above 1e19 in float32) the right value or one that is not
finite. A length below 1e-19, whose square is not exact, may count as zero. Second derivatives are
right or, where a gradient is written by hand for speed, refused with a RuntimeError.

State: everything learned is a parameter of the module and everything else that changes is a buffer.
`parameters()` is all that an optimizer needs, and `state_dict()` all that a checkpoint needs.
Proxies start as random directions of length about 1.

Hooks: a loss may have any of three. `HasClassVectors` gives access to proxies, centers or
classifier weights, for example to classify images. `StartsAtMeans` is for a loss whose vectors are
not directions and can start at the means of classes. `ClusteredBatches` makes the training loop
compose batches of clusters instead of classes.

Docstring: the first line of the class describes the loss; paper and link follow.

A new loss is its function, its class, and its line in `LOSSES`. The tests then ask for a method in
the suite `losses`, a name in README's table and a new docs/losses.md (`tox -e docs`).
"""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from proxy_core.losses.center import Center
from proxy_core.losses.facility_location import FacilityLocation
from proxy_core.losses.magnet import Magnet
from proxy_core.losses.margin import Margin
from proxy_core.losses.pair_distance import Contrastive, GeneralizedLifted, LiftedStructure
from proxy_core.losses.pair_similarity import MultiSimilarity, NPairs, NTXent
from proxy_core.losses.parts.class_vectors import ClassVectors
from proxy_core.losses.proxy import ProxyNCA, ProxyNCAPlusPlus, ProxyNCASoftmax
from proxy_core.losses.proxy_anchor import ProxyAnchor
from proxy_core.losses.proxy_triplet import ProxyTriplet
from proxy_core.losses.soft_triple import SoftTriple
from proxy_core.losses.softmax import ArcFace, CosFace, NormalizedSoftmax, Softmax
from proxy_core.losses.triplet import Triplet


@runtime_checkable
class HasClassVectors(Protocol):
    """A loss with vectors that represent classes."""

    def class_vectors(self) -> ClassVectors:
        """The vectors (P, D), which share the memory of the loss, and the class (P,) of each."""


@runtime_checkable
class StartsAtMeans(Protocol):
    """A loss on raw embeddings whose vectors can start at the means of classes.

    Vectors that are compared by direction need no such method: they are set by `class_vectors`.
    """

    def start_at_means(self, means: Tensor) -> None:
        """Set the vectors from the means (C, D) of raw embeddings."""


@runtime_checkable
class ClusteredBatches(Protocol):
    """A loss whose batches are clusters of training images that lie near each other.

    The training loop clusters the images of each class by k-means every `refresh_every` steps, into
    `clusters_per_class` clusters. A batch is one cluster and its nearest clusters of other classes,
    and the loss is called with a third argument: int64 cluster numbers (B,), no number in two
    classes. Clusters whose images violate the gap `alpha` most are drawn most often.
    """

    clusters_per_class: int
    refresh_every: int
    alpha: float


LOSSES: dict[str, type[nn.Module]] = {
    "proxy_nca": ProxyNCA,
    "proxy_nca_softmax": ProxyNCASoftmax,
    "proxy_nca_pp": ProxyNCAPlusPlus,
    "proxy_triplet": ProxyTriplet,
    "proxy_anchor": ProxyAnchor,
    "soft_triple": SoftTriple,
    "softmax": Softmax,
    "normalized_softmax": NormalizedSoftmax,
    "arcface": ArcFace,
    "cosface": CosFace,
    "contrastive": Contrastive,
    "lifted_structure": LiftedStructure,
    "generalized_lifted": GeneralizedLifted,
    "n_pairs": NPairs,
    "multi_similarity": MultiSimilarity,
    "nt_xent": NTXent,
    "triplet": Triplet,
    "margin": Margin,
    "center": Center,
    "facility_location": FacilityLocation,
    "magnet": Magnet,
}
