"""The scores that other libraries give the same embeddings, and why theirs differ from ours."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
import torch

from bench.cli.scoring.audit.checks import Searched
from bench.cli.scoring.audit.ties import unsettled
from bench.cli.scoring.notes import lengths_of, one_length
from bench.cli.scoring.score import tensors
from proxy_core.distances import directions
from proxy_core.metrics.ranking import TIE

LARGEST = 10_000  # images; beyond, the peers take very long
LOOPED = 2_000  # images up to which a library that scores one query at a time is called
SAME = 1e-6  # the peers compute in float32
FLOAT32 = 4e-6  # within which two cosines in float32 may come in either order
ROUNDS = "rounds in float32, which may order near ties of {:,} queries otherwise"
UNEXPLAINED = "not explained here"
WHOLE = "averages precision over the whole ranking; MAP@R over the first R"
NEGATIVE = "leaves out {:,} positives whose cosine is 0 or less"
ONE_SEED = "one clustering by k-means, of which ours is the mean over three seeds"
FAISS_KMEANS = "starts k-means at random images and stops after 20 iterations; ours k-means++"
GEOMETRIC = "divides by the geometric mean of the entropies, ours by the arithmetic one"


@dataclass(frozen=True)
class Figure:
    """A score by another library, ours beside it, and why they differ, or that they do not."""

    library: str
    score: str
    theirs: float
    ours: float
    why: str


@dataclass(frozen=True, eq=False)
class Same:
    """What every library gets: embeddings (N, D) and their unit vectors in float32, labels (N,)
    from 0; and what explains differences: whether all lengths are equal, the number of queries
    without a positive, for each score those of queries that hang on ties, and on rounding, and our
    scores."""

    embeddings: np.ndarray
    units: np.ndarray
    labels: np.ndarray
    one_length: bool
    lone: int
    tied: Mapping[str, int]
    rounded: Mapping[str, int]
    scores: Mapping[str, float]

    def figure(self, library: str, score: str, theirs: float, *causes: tuple[bool, str]) -> Figure:
        """A figure, explained by the causes that hold; or by rounding, where that may do it."""
        ours, rounded = self.scores[score], self.rounded.get(score, 0)
        why = "; ".join(text for holds, text in causes if holds)
        why = why or (ROUNDS.format(rounded) if rounded else UNEXPLAINED)
        return Figure(library, score, theirs, ours, "same" if abs(theirs - ours) < SAME else why)

    @property
    def misses(self) -> tuple[bool, str]:
        return self.lone > 0, f"counts the {self.lone:,} queries without a positive as misses"

    def ties(self, score: str) -> tuple[bool, str]:
        tied = self.tied[score]
        return tied > 0, f"orders ties otherwise, which decide {tied:,} queries"


def compare_peers(
    found: Searched, scores: Mapping[str, float]
) -> tuple[list[Figure], list[str], str]:
    """Figures of the libraries that are installed, names of the others, and why none is compared.

    scores: ours, with recall@1, r_precision, map@r and nmi.
    """
    if found.gallery or found.queries.cameras is not None or "nmi" not in scores:
        return [], [], "Other libraries are compared on one set, by cosine, without cameras."
    if len(found.queries.classes) > LARGEST:
        return [], [], f"Other libraries are compared up to {LARGEST:,} images."
    same = made_same(found, scores)
    figures: list[Figure] = []
    missing = []
    for name, compared in PEERS.items():
        try:
            module = import_module(name)
        except ImportError:
            missing.append(name)
        else:
            figures += compared(f"{name} {module.__version__}", module, same)
    return figures, missing, ""


def made_same(found: Searched, scores: Mapping[str, float]) -> Same:
    queries = found.queries
    units = directions(tensors(queries)[0])
    labels = np.unique(queries.classes, return_inverse=True)[1]
    tied, rounded = unsettled(units, torch.from_numpy(labels), (TIE, FLOAT32))
    return Same(
        embeddings=queries.embeddings.astype(np.float32),
        units=units.float().numpy(),
        labels=labels,
        one_length=one_length(lengths_of(queries.embeddings), float(np.finfo(np.float32).eps)),
        lone=int((found.ranking.relevant == 0).sum()),
        tied=tied,
        rounded=rounded,
        scores={**scores, "recall@1": found.recall},
    )


def scikit_learn(library: str, sklearn: ModuleType, same: Same) -> Iterator[Figure]:
    """Neighbors of which the first is dropped, average precision, and k-means."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import average_precision_score, normalized_mutual_info_score
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=2, metric="cosine", algorithm="brute").fit(same.units)
    yield first_dropped(library, same, search.kneighbors(return_distance=True, X=same.units)[1])
    if len(same.labels) <= LOOPED:
        found = [
            average_precision_score(hits, cosines) if hits.any() else 0.0
            for hits, cosines in rows(same)
        ]
        yield same.figure(library, "map@r", mean(found), (True, WHOLE), same.misses)
    classes = int(same.labels.max()) + 1
    clusters = KMeans(classes, n_init=1, random_state=0).fit_predict(same.units)
    nmi = normalized_mutual_info_score(same.labels, clusters)
    yield same.figure(library, "nmi", nmi, (True, ONE_SEED))
    nmi = normalized_mutual_info_score(same.labels, clusters, average_method="geometric")
    yield same.figure(f"{library}, geometric", "nmi", nmi, (True, f"{GEOMETRIC}; {ONE_SEED}"))


def faiss_search(library: str, faiss: ModuleType, same: Same) -> Iterator[Figure]:
    """Inner products of which the first is dropped, and k-means, as in much published code."""
    from sklearn.metrics import normalized_mutual_info_score

    index = faiss.IndexFlatIP(same.units.shape[1])
    index.add(same.units)
    yield first_dropped(library, same, index.search(same.units, 2)[1])
    classes = int(same.labels.max()) + 1
    kmeans = faiss.Kmeans(same.units.shape[1], classes, niter=20, min_points_per_centroid=1)
    kmeans.train(same.units)
    clusters = kmeans.index.search(same.units, 1)[1][:, 0]
    nmi = normalized_mutual_info_score(same.labels, clusters)
    yield same.figure(library, "nmi", nmi, (True, FAISS_KMEANS))


def metric_learning(library: str, module: ModuleType, same: Same) -> Iterator[Figure]:
    """AccuracyCalculator as it is called without options, on the embeddings as they are."""
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    names = {
        "precision_at_1": "recall@1",
        "r_precision": "r_precision",
        "mean_average_precision_at_r": "map@r",
    }
    search = CustomKNN(LpDistance(normalize_embeddings=False))  # that of faiss, which may lack
    calculator = AccuracyCalculator(
        include=tuple(names), k="max_bin_count", knn_func=search, device=torch.device("cpu")
    )
    found = calculator.get_accuracy(torch.from_numpy(same.embeddings), torch.tensor(same.labels))
    as_they_are = "compares distances of the embeddings as they are, whose lengths differ"
    for name, score in names.items():
        yield same.figure(
            library, score, found[name], (not same.one_length, as_they_are), same.ties(score)
        )


def torch_metrics(library: str, module: ModuleType, same: Same) -> Iterator[Figure]:
    """Precision, R-Precision and average precision of one query at a time."""
    from torchmetrics.functional.retrieval import (
        retrieval_average_precision,
        retrieval_precision,
        retrieval_r_precision,
    )

    if len(same.labels) > LOOPED:
        return
    functions: dict[str, Callable[..., torch.Tensor]] = {
        "recall@1": lambda cosines, hits: retrieval_precision(cosines, hits, top_k=1),
        "r_precision": retrieval_r_precision,
        "map@r": retrieval_average_precision,
    }
    pairs = [(torch.from_numpy(cosines), torch.from_numpy(hits)) for hits, cosines in rows(same)]
    dropped = sum(int((hits & (cosines <= 0)).sum()) for cosines, hits in pairs)
    for score, function in functions.items():
        found = mean([float(function(*pair)) for pair in pairs])
        average = score == "map@r"
        causes = (average, WHOLE), (average and dropped > 0, NEGATIVE.format(dropped))
        yield same.figure(library, score, found, *causes, same.misses, same.ties(score))


PEERS: dict[str, Callable[[str, ModuleType, Same], Iterator[Figure]]] = {
    "pytorch_metric_learning": metric_learning,
    "torchmetrics": torch_metrics,
    "sklearn": scikit_learn,
    "faiss": faiss_search,
}


def first_dropped(library: str, same: Same, nearest: np.ndarray) -> Figure:
    """R@1 if the first of two neighbors (N, 2) is taken to be the query itself."""
    others = int((nearest[:, 0] != np.arange(len(nearest))).sum())
    dropped = f"drops the first neighbor as the query itself, which it is not for {others:,}"
    found = mean(same.labels[nearest[:, 1]] == same.labels)
    causes = (others > 0, dropped), same.misses, same.ties("recall@1")
    return same.figure(library, "recall@1", found, *causes)


def rows(same: Same) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each query whether the others (N - 1,) are hits, and their cosines."""
    for row in range(len(same.labels)):
        others = np.delete(same.units @ same.units[row], row)
        yield np.delete(same.labels, row) == same.labels[row], others


def mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.asarray(values).mean())
