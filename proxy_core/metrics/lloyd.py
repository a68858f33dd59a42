"""Lloyd's iterations: each point to its nearest center, each center to the mean of its points."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from proxy_core.metrics.nearest import TIE, arrange, nearest, squared_lengths
from proxy_core.metrics.pruning import FEW, Bounds, assign_few, pays, reassign_few

BLOCK = 4096  # points that are held in float64 at a time
MOSTLY = 0.5  # share of centers that moved from which on looking at all is faster


@dataclass(frozen=True, eq=False)
class Clusters:
    """N points among k centers.

    Attributes: of_point (N,) int64, each point's center; centers (k, D) float64; known, where they
    were needed, the values (N,) float64 of points and their centers, |c|^2 / 2 - x c; bounds of
    the values of all points and centers, where these are few.
    """

    of_point: Tensor
    centers: Tensor
    known: Tensor | None = None
    bounds: Bounds | None = None


def lloyd(
    points: Tensor,
    centers: Tensor,
    iterations: int,
    told: Callable[[float], None] | None = None,
) -> tuple[Clusters, int]:
    """Iterate from `centers` (k, D) float64 until no point changes its center, or so many times.

    points (N, D) float32 by `on_grid`, lengths at most 1. Returns the clusters, and how often the
    centers were moved. Every point is with its nearest center, of equally near ones the first.

    A center without points takes the point farthest from its own center, several take one each, so
    that the sum of squared distances never grows; while all points lie on their centers it stays.
    `told` is called now and then with the share in [0, 1] that is done, as if each iteration took
    three quarters of the time of the one before.
    """
    clusters, before = assign(points, centers), None
    sums = torch.zeros_like(centers)
    for iteration in range(iterations):
        clusters = fill_empty(points, clusters)
        if not update(sums, points, before, clusters.of_point):
            return clusters, iteration
        before = clusters.of_point
        if told:
            told(1 - 0.75 ** (iteration + 1))
        clusters = reassign(points, means(sums, clusters), clusters)
    return clusters, iterations


def on_grid(points: Tensor) -> Tensor:
    """Points (N, D) float64 of lengths at most 1 in float32, rounded to multiples of 2^-30 as well.

    That is less than float32 loses in numbers above 1/64, and makes sums of up to 4 million points
    exact in float64.
    """
    return (points * 2.0**30).round_().mul_(2.0**-30).float()


def assign(points: Tensor, centers: Tensor) -> Clusters:
    """Each point (N, D) with its nearest center (k, D)."""
    if pays(points, len(centers)):
        of_point, known, bounds = assign_few(points, centers)
        return Clusters(of_point, centers, known, bounds)
    return Clusters(nearest(points, arrange(centers)), centers)


def reassign(points: Tensor, centers: Tensor, before: Clusters) -> Clusters:
    """As `assign`, knowing the clusters before some centers moved: the same answer, sooner.

    With bounds, which are overwritten, by `reassign_few`. Without, by which centers moved:
    A center that did not move was no nearer than the point's own. Hence it can win only if the own
    center went away; all other points need to be compared with centers that moved, nothing else.
    """
    moved = (centers != before.centers).any(dim=1)
    if not moved.any():
        return before
    if before.bounds is not None and before.known is not None:
        found = before.of_point, before.known, before.bounds
        of_point, known, bounds = reassign_few(points, centers, before.centers, *found)
        return Clusters(of_point, centers, known, bounds)
    if len(moved) < FEW or moved.sum() > MOSTLY * len(moved):
        return assign(points, centers)
    old = values(points, before)
    numbers, now, stale = before.of_point.clone(), old.clone(), moved[before.of_point]
    rows = stale.nonzero().squeeze(1)
    now[rows] = values_of(points, centers, rows, numbers[rows])
    left = stale & (now > old - 3 * TIE)
    rows = left.nonzero().squeeze(1)
    numbers[rows] = nearest(points, arrange(centers), rows)
    now[rows] = values_of(points, centers, rows, numbers[rows])
    after = Clusters(numbers, centers, now)
    compete(points, after, (~left).nonzero().squeeze(1), moved.nonzero().squeeze(1))
    return after


def compete(points: Tensor, clusters: Clusters, rows: Tensor, rivals: Tensor) -> None:
    """Give to the centers `rivals` those of the points `rows` that are nearer to one of them."""
    table = arrange(clusters.centers[rivals])
    limits = values(points, clusters)
    found = nearest(points, table, rows, limits[rows])
    rows, rival = rows[found >= 0], rivals[found[found >= 0]]
    value = values_of(points, clusters.centers, rows, rival)
    own, least = clusters.of_point[rows], limits[rows]
    wins = (value < least - TIE) | ((value <= least + TIE) & (rival < own))
    clusters.of_point[rows[wins]] = rival[wins]
    limits[rows[wins]] = value[wins]


def values(points: Tensor, clusters: Clusters) -> Tensor:
    """Values (N,) of all points and their centers."""
    if clusters.known is not None:
        return clusters.known
    rows = torch.arange(len(points), device=points.device)
    return values_of(points, clusters.centers, rows, clusters.of_point)


def values_of(points: Tensor, centers: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
    """|c|^2 / 2 - x c (M,) float64 of the points `rows` (M,) and the centers `numbers` (M,)."""
    halves = centers.square().sum(dim=1)[numbers] / 2
    parts = (torch.split(each, BLOCK) for each in (rows, numbers, halves))
    for some, theirs, value in zip(*parts, strict=True):
        value -= (points[some].double() * centers[theirs]).sum(dim=1)
    return halves


def fill_empty(points: Tensor, clusters: Clusters) -> Clusters:
    """Give each center without points the farthest point from its center; equally far, the first.

    Only the membership changes. A point on its center is not far.
    """
    counts = torch.bincount(clusters.of_point, minlength=len(clusters.centers))
    empty = (counts == 0).nonzero().squeeze(1)
    if len(empty) == 0:
        return clusters
    far = farthest(squared_distances(points, clusters), len(empty))
    of_point = clusters.of_point.clone()
    of_point[far] = empty[: len(far)]
    return replace(clusters, of_point=of_point)


def farthest(distances: Tensor, count: int) -> Tensor:
    """Places of the `count` greatest squared distances (N,), of equal ones the first; fewer if all
    others are of points on their centers.

    Two points alone in a cluster are equally far from its center: rounding must not choose.
    """
    left = distances.clone()
    places: list[int] = []
    while len(places) < count and (most := float(left.max())) > 8 * TIE:
        places.append(int((left >= most - TIE).byte().argmax()))
        left[places[-1]] = 0.0
    return torch.tensor(places, dtype=torch.int64, device=distances.device)


def squared_distances(points: Tensor, clusters: Clusters) -> Tensor:
    """Squared distance (N,) float64 of each point to its center."""
    return (squared_lengths(points) + 2 * values(points, clusters)).clamp(min=0.0)


def update(sums: Tensor, points: Tensor, before: Tensor | None, of_point: Tensor) -> bool:
    """Bring the sums (k, D) of each center's points up to date; whether any point changed its own.

    Sums of points on the grid are exact, hence the same in every order.
    """
    if before is None:
        changed = torch.arange(len(points), device=points.device)
    else:
        changed = (before != of_point).nonzero().squeeze(1)
    for rows in torch.split(changed, BLOCK):
        block = points[rows].double()
        sums.index_add_(0, of_point[rows], block)
        if before is not None:
            sums.index_add_(0, before[rows], block, alpha=-1)
    return len(changed) > 0


def means(sums: Tensor, clusters: Clusters) -> Tensor:
    """Centers (k, D): the mean of each one's points, or the same as before if it has none."""
    counts = torch.bincount(clusters.of_point, minlength=len(sums))[:, None]
    return torch.where(counts > 0, sums / counts.clamp(min=1), clusters.centers)
