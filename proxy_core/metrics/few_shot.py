"""Few-shot episodes: how well do a few labelled images of unseen classes classify others?

An episode has W classes (ways), K labelled images of each (shots, the support), and q queries of
each. Similarity is the cosine in float64, and ties are wrong, as in
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
    """Positions of E = `count` random episodes: support (E, W, K) and query (E, W, q), int64.

    labels (N,) integers. Row w of an episode's support and of its query is one class. Classes are
    drawn without replacement within an episode, each as likely, and so are the images of a class,
    so support and query share none. Episode e depends on labels, ways, shots, queries, seed and e
    only: a larger `count` draws more of them and changes none.

    ValueError for labels that are no vector of integers, for ways < 2, shots, queries or count < 1,
    seed < 0, fewer classes than ways, and a class with fewer than shots + queries images.
    """
    sizes = {"ways": ways, "shots": shots, "queries": queries, "count": count, "seed": seed}
    least = {"ways": 2, "shots": 1, "queries": 1, "count": 1, "seed": 0}
    if any(sizes[name] < least[name] for name in sizes):
        raise ValueError(f"episodes of {sizes}: expected at least {least}")
    classes = positions_by_class(labels, ways, shots + queries)
    episodes = np.stack(
        [draw_episode(classes, ways, shots + queries, seed, e) for e in range(count)]
    )
    support, query = np.split(episodes, [shots], axis=2)
    return torch.from_numpy(support.copy()), torch.from_numpy(query.copy())


def positions_by_class(labels: Tensor, ways: int, images: int) -> list[np.ndarray]:
    """Positions (n,) of the images of each class in labels (N,), if it can make episodes."""
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


def draw_episode(
    classes: list[np.ndarray], ways: int, images: int, seed: int, episode: int
) -> np.ndarray:
    """Positions (W, images) of one episode."""
    generator = np.random.default_rng([seed, episode])
    chosen = generator.choice(len(classes), ways, replace=False)
    return np.stack([generator.choice(classes[c], images, replace=False) for c in chosen])


def episode_accuracy(embeddings: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Accuracy (E,) float64 in [0, 1], on the CPU, of the nearest class mean in each episode.

    embeddings (N, D) of any length and floating type; support (E, W, K) and query (E, W, q)
    positions of images as from `draw_episodes`. A class mean is the mean of the directions of its
    K support images. One episode at a time is held in memory.

    Snell et al., Prototypical Networks for Few-shot Learning, https://arxiv.org/abs/1703.05175,
    with the cosine where the paper takes the squared Euclidean distance of embeddings as they are:
    the embeddings here are judged by their angles throughout. Ties count as wrong.

    ValueError for shapes that do not fit, non-finite embeddings and positions outside 0..N-1.
    """
    directions = unit_embeddings(embeddings)
    if support.ndim != 3 or query.ndim != 3 or support.shape[:2] != query.shape[:2]:
        raise ValueError(
            f"support has shape {tuple(support.shape)} and query {tuple(query.shape)}: "
            "expected (E, W, K) and (E, W, q)"
        )
    support = checked_places("support", support, len(directions)).to(directions.device)
    query = checked_places("query", query, len(directions)).to(directions.device)
    own = torch.eye(support.shape[1], dtype=torch.bool, device=directions.device)[:, None]
    pairs = zip(support, query, strict=True)
    return shares([own_class_wins(nearness(directions, s, q), own) for s, q in pairs])


def nearness(directions: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Cosines (W, q, W) of queries (W, q) with the means of the rows of support (W, K)."""
    return directions[query] @ mean_directions(directions[support].mean(dim=1)).T


def one_shot_error(embeddings: Tensor, support: Tensor, query: Tensor, truth: Tensor) -> Tensor:
    """Share (R,) float64 in [0, 1], on the CPU, of queries that are classified wrongly in each run.

    embeddings (N, D); support (R, S) and query (R, q) positions of images, truth (R, q) the place
    within the run's support, 0..S-1, of the one image of the query's class. A query gets the class
    of its nearest support image by cosine; ties count as wrong.

    Lake et al., Human-level concept learning through probabilistic program induction, Science 2015,
    https://doi.org/10.1126/science.aab3050: R = 20 runs with S = q = 20 characters of one alphabet.
    There and in its code (demo_classification.py of https://github.com/brendenlake/omniglot) errors
    are in percent, and of equal support images the first is taken.

    ValueError for shapes that do not fit, non-finite embeddings and positions out of range.
    """
    directions = unit_embeddings(embeddings)
    if support.ndim != 2 or query.shape != truth.shape or query.shape[:1] != support.shape[:1]:
        raise ValueError(
            f"support, query and truth have shapes {tuple(support.shape)}, {tuple(query.shape)} "
            f"and {tuple(truth.shape)}: expected (R, S), (R, q) and (R, q)"
        )
    support = checked_places("support", support, len(directions)).to(directions.device)
    query = checked_places("query", query, len(directions)).to(directions.device)
    truth = checked_places("truth", truth, support.shape[1]).to(directions.device)
    own = truth[:, :, None] == torch.arange(support.shape[1], device=directions.device)
    runs = zip(support, query, own, strict=True)
    return 1 - shares([own_class_wins(directions[q] @ directions[s].T, o) for s, q, o in runs])


def unit_embeddings(embeddings: Tensor) -> Tensor:
    """Unit vectors (N, D) in float64; ValueError unless (N, D), not empty and finite."""
    numbers = torch.arange(len(embeddings))
    return checked("embeddings", embeddings, numbers, numbers, embeddings)[0]


def checked_places(name: str, places: Tensor, count: int) -> Tensor:
    """The same places in int64; ValueError unless integers in 0..count-1, not empty."""
    if places.numel() == 0 or places.is_floating_point():
        raise ValueError(
            f"{name} is {places.dtype} of shape {tuple(places.shape)}: expected integers, not empty"
        )
    low, high = places.aminmax()
    if low < 0 or high >= count:
        raise ValueError(f"{name} spans {int(low)}..{int(high)}: expected 0..{count - 1}")
    return places.long()


def shares(masks: list[Tensor]) -> Tensor:
    """Share (E,) float64 of true values in each of E masks, on the CPU."""
    return torch.stack([mask.double().mean() for mask in masks]).cpu()
