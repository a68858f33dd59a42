"""Few-shot episodes: a few labelled images of unseen classes classify other images of them.

An episode has W classes (ways), K labelled images of each class (shots; together the support), and
q queries of each class. Similarity is the cosine in float64, and ties are wrong, as in
`proxy_core.metrics.classification`.
"""

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.classification import mean_directions, own_class_wins
from proxy_core.metrics.retrieval import checked


def draw_episodes(
    labels: Tensor, *, ways: int, shots: int, queries: int, count: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Draw the images of E = `count` random episodes.

    labels (N,): integers. Classes are drawn uniformly and without replacement within an episode,
    and so are the images of a class. Episode e depends on e and the other arguments, not on
    `count`.

    Returns positions, int64: support (E, W, K) and query (E, W, q). Row w of both is one class.

    Raises ValueError for labels that are not a vector of integers, ways < 2, shots, queries or
    count < 1, seed < 0, fewer classes than ways, and classes with fewer than shots + queries
    images.
    """
    sizes = {"ways": ways, "shots": shots, "queries": queries, "count": count, "seed": seed}
    least = {"ways": 2, "shots": 1, "queries": 1, "count": 1, "seed": 0}
    if any(sizes[name] < least[name] for name in sizes):
        raise ValueError(f"episodes of {sizes}: expected at least {least}")
    images = shots + queries
    classes = positions_by_class(labels, ways, images)
    drawn = np.empty((count, ways, images), dtype=np.int64)
    for episode in range(count):
        generator = np.random.default_rng([seed, episode])
        for way, chosen in enumerate(generator.choice(len(classes), ways, replace=False)):
            drawn[episode, way] = generator.choice(classes[chosen], images, replace=False)
    episodes = torch.from_numpy(drawn)
    return episodes[:, :, :shots].clone(), episodes[:, :, shots:].clone()


def positions_by_class(labels: Tensor, ways: int, images: int) -> list[np.ndarray]:
    """Positions (n,) of the images of each class; ValueError if a class is too small."""
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}: "
            "expected integers of shape (N,)"
        )
    names, sizes = np.unique(labels.cpu().numpy(), return_counts=True)
    if len(names) < ways:
        raise ValueError(f"labels hold {len(names)} classes: an episode needs {ways} of them")
    if sizes.min() < images:
        raise ValueError(
            f"class {names[sizes.argmin()]} has {sizes.min()} images, and {(sizes < images).sum()} "
            f"of {len(names)} classes have too few: an episode needs {images} of a class, its "
            "support and its queries; leave such classes out or take fewer"
        )
    order = np.argsort(labels.cpu().numpy(), kind="stable")
    return np.split(order, sizes.cumsum()[:-1])


def episode_accuracy(embeddings: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Accuracy (E,) float64 in [0, 1], on the CPU, of the nearest class mean in each episode.

    embeddings (N, D): of any length and floating type. support (E, W, K), query (E, W, q):
    positions of images, as from `draw_episodes`. A class mean is the mean of the directions of its
    K support images. One episode at a time is held in memory.

    Raises ValueError for shapes that do not fit, non-finite embeddings and positions outside
    0..N-1.

    Snell et al., Prototypical Networks for Few-shot Learning, https://arxiv.org/abs/1703.05175.
    Differs from the paper in using the cosine, as all scores here do, and not the squared Euclidean
    distance of raw embeddings. Ties count as wrong.
    """
    if support.ndim != 3 or query.ndim != 3 or support.shape[:2] != query.shape[:2]:
        raise ValueError(
            f"support has shape {tuple(support.shape)} and query {tuple(query.shape)}: "
            "expected (E, W, K) and (E, W, q)"
        )
    directions = unit_embeddings(embeddings)
    support = checked_positions("support", support, len(directions), directions.device)
    query = checked_positions("query", query, len(directions), directions.device)
    own = torch.eye(support.shape[1], dtype=torch.bool, device=directions.device)[:, None]
    shares = []
    for shots, queries in zip(support, query, strict=True):
        means = mean_directions(directions[shots].mean(dim=1))
        cosines = directions[queries] @ means.T  # (W, q, W)
        shares.append(own_class_wins(cosines, own).double().mean())
    return torch.stack(shares).cpu()


def one_shot_error(embeddings: Tensor, support: Tensor, query: Tensor, truth: Tensor) -> Tensor:
    """Share (R,) float64 in [0, 1], on the CPU, of queries that are classified wrongly in each run.

    embeddings (N, D): of any length and floating type. support (R, S), query (R, q): positions of
    images. truth (R, q): the index within the run's support, 0..S-1, of the one image of the
    query's class. A query gets the class of its nearest support image by cosine.

    Raises ValueError for shapes that do not fit, non-finite embeddings and positions out of range.

    Lake et al., Human-level concept learning through probabilistic program induction, Science 2015,
    https://doi.org/10.1126/science.aab3050: R = 20 runs with S = q = 20 characters of one alphabet.
    Differs from its code (demo_classification.py of https://github.com/brendenlake/omniglot), which
    gives errors in percent and takes the first of equal support images: here ties count as wrong.
    """
    if support.ndim != 2 or query.shape != truth.shape or query.shape[:1] != support.shape[:1]:
        raise ValueError(
            f"support, query and truth have shapes {tuple(support.shape)}, {tuple(query.shape)} "
            f"and {tuple(truth.shape)}: expected (R, S), (R, q) and (R, q)"
        )
    directions = unit_embeddings(embeddings)
    support = checked_positions("support", support, len(directions), directions.device)
    query = checked_positions("query", query, len(directions), directions.device)
    truth = checked_positions("truth", truth, support.shape[1], directions.device)
    own = truth[:, :, None] == torch.arange(support.shape[1], device=directions.device)
    wins = own_class_wins(directions[query] @ directions[support].mT, own)  # (R, q)
    return 1 - wins.double().mean(dim=1).cpu()


def unit_embeddings(embeddings: Tensor) -> Tensor:
    """Unit vectors (N, D) in float64; ValueError unless (N, D), not empty and finite."""
    numbers = torch.arange(len(embeddings))
    return checked("embeddings", embeddings, numbers, numbers, embeddings)[0]


def checked_positions(name: str, positions: Tensor, count: int, device: torch.device) -> Tensor:
    """The positions in int64 on a device; ValueError unless integers in 0..count-1, not empty."""
    if positions.numel() == 0 or positions.is_floating_point():
        raise ValueError(
            f"{name} is {positions.dtype} of shape {tuple(positions.shape)}: "
            "expected integers, not empty"
        )
    low, high = positions.aminmax()
    if low < 0 or high >= count:
        raise ValueError(f"{name} spans {int(low)}..{int(high)}: expected 0..{count - 1}")
    return positions.to(device, torch.int64)
