"""Losses, models and exact evaluation of deep metric learning: tensors in, tensors out.

Import any name in `__all__` from here: `from proxy_core import LOSSES, EmbeddingModel, rank`. A
name is loaded when it is first used, so `import proxy_core` itself loads nothing, not even torch.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy_core.losses import LOSSES as LOSSES
    from proxy_core.losses import ClusteredBatches as ClusteredBatches
    from proxy_core.losses import HasClassVectors as HasClassVectors
    from proxy_core.losses.parts.class_vectors import ClassVectors as ClassVectors
    from proxy_core.metrics.classification import class_mean_accuracy as class_mean_accuracy
    from proxy_core.metrics.classification import (
        nearest_neighbor_accuracy as nearest_neighbor_accuracy,
    )
    from proxy_core.metrics.clustering import cluster_scores as cluster_scores
    from proxy_core.metrics.few_shot import draw_episodes as draw_episodes
    from proxy_core.metrics.few_shot import episode_accuracy as episode_accuracy
    from proxy_core.metrics.few_shot import one_shot_error as one_shot_error
    from proxy_core.metrics.reid import rank_reid as rank_reid
    from proxy_core.metrics.reid import reid_summary as reid_summary
    from proxy_core.metrics.retrieval import rank as rank
    from proxy_core.metrics.retrieval import recall_at_k as recall_at_k
    from proxy_core.metrics.retrieval import summary as summary
    from proxy_core.metrics.triplet_bound import triplet_bound as triplet_bound
    from proxy_core.metrics.verification import verification as verification
    from proxy_core.models.backbones import BACKBONES as BACKBONES
    from proxy_core.models.embedding_model import EmbeddingModel as EmbeddingModel
    from proxy_core.models.weights import load_weights as load_weights

    __version__: str

MODULES = {
    "losses": ["LOSSES", "ClusteredBatches", "HasClassVectors", "ClassVectors"],
    "metrics.classification": ["class_mean_accuracy", "nearest_neighbor_accuracy"],
    "metrics.clustering": ["cluster_scores"],
    "metrics.few_shot": ["draw_episodes", "episode_accuracy", "one_shot_error"],
    "metrics.reid": ["rank_reid", "reid_summary"],
    "metrics.retrieval": ["rank", "recall_at_k", "summary"],
    "metrics.triplet_bound": ["triplet_bound"],
    "metrics.verification": ["verification"],
    "models.backbones": ["BACKBONES"],
    "models.embedding_model": ["EmbeddingModel"],
    "models.weights": ["load_weights"],
}
__all__ = [name for names in MODULES.values() for name in names]


def __getattr__(name: str) -> Any:
    """Load a public name, or the version, at its first use (PEP 562)."""
    if name == "__version__":
        return metadata.version("proxy-bench")
    for module, names in MODULES.items():
        if name in names:
            return getattr(import_module(f"proxy_core.{module}"), name)
    raise AttributeError(f"module 'proxy_core' has no attribute {name!r}")
