"""All losses by name, and the contract that every one of them keeps.

Construction: `Loss(num_classes, embedding_dim, *, hyper=default, ...)`. Hyper-parameters are
keyword-only, annotated with plain types (float, int, str, Literal) and checked: ValueError names
the value and the allowed range. A loss that needs no C or D takes them nevertheless.

Call: `loss(embeddings, labels)` with raw embeddings (B, D), not normalised, and int64 labels (B,)
in 0..C-1 -> a scalar of the size of a mean, whatever the order of the batch. A loss normalises
where its formula says so. Any other batch, an empty one too, is a ValueError.

One loss may be told more: `Magnet` takes as an optional third argument which cluster each image is
from, int64 numbers (B,) that no two classes share. Without it every class is one cluster, so that
it can be called like any other loss.

Numbers: computed in float32 at least, also under autocast and from half-precision embeddings.
Gradients are finite, for zero embeddings and for classes absent from the batch too, as far as the
type of the embeddings reaches. Second derivatives are right or, where a gradient is written by hand
for speed, refused with a RuntimeError.

State: what is learned is a parameter of the module, anything else a buffer, so that
`parameters()` is all an optimiser needs and `state_dict()` all a checkpoint needs.

Words: the first line of a class's docstring describes it in one line; paper and link follow.
"""

from torch import nn

from proxy_core.losses.center import Center
from proxy_core.losses.facility_location import FacilityLocation
from proxy_core.losses.magnet import Magnet
from proxy_core.losses.margin import Margin
from proxy_core.losses.pair_distance import Contrastive, GeneralizedLifted, LiftedStructure
from proxy_core.losses.pair_similarity import MultiSimilarity, NPairs, NTXent
from proxy_core.losses.proxy import ProxyNCA, ProxyNCAPlusPlus, ProxyNCASoftmax
from proxy_core.losses.proxy_anchor import ProxyAnchor
from proxy_core.losses.proxy_triplet import ProxyTriplet
from proxy_core.losses.soft_triple import SoftTriple
from proxy_core.losses.softmax import ArcFace, CosFace, NormalizedSoftmax, Softmax
from proxy_core.losses.triplet import Triplet

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
    "n_pairs": NPairs,
    "lifted_structure": LiftedStructure,
    "generalized_lifted": GeneralizedLifted,
    "multi_similarity": MultiSimilarity,
    "nt_xent": NTXent,
    "triplet": Triplet,
    "margin": Margin,
    "center": Center,
    "facility_location": FacilityLocation,
    "magnet": Magnet,
}
