"""Lloyd's iterations: each point to its nearest center, each center to the mean of its points."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from proxy_core.nearest import TIE, nearest

BLOCK = 4096  # points that are held in float64 at a time


@dataclass(frozen=True, eq=False)
class Clusters:
    """N points among k centers.

    Attributes: of_point (N,) int64, each point's center; values (N,) float64, its |c|^2 / 2 - x c;
    centers (k, D) float64.
    """

    of_point: Tensor
    values: Tensor
    centers: Tensor


def lloyd(
    points: Tensor, centers: Tensor, iterations: int, *, active: bool
) -> tuple[Clusters, int]:
    """Iterate from `centers` (k, D) float64 until no point changes its center, or so many times.

    points (N, D) float32, lengths at most 1. Returns the clusters and how often centers were moved;
    every point is with its nearest center, of equally near ones the first. `active` compares points
    with centers that moved only; the answer is the same.

    A center without points takes the point farthest from its own center, several take one each, so
    that the sum of squared distances never grows; while all points lie on their centers it stays.
    """
    assign = assign_active if active else assign_all
    clusters = assign_all(points, centers)
    before = torch.full_like(clusters.of_point, -1)
    for iteration in range(iterations):
        clusters = fill_empty(points, clusters)
        changed = membership_changes(before, clusters)
        if not changed.any():
            return clusters, iteration
        before = clusters.of_point
        clusters = assign(points, means(points, clusters, changed), clusters)
    return clusters, iterations


def assign_all(points: Tensor, centers: Tensor, before: Clusters | None = None) -> Clusters:
    """Each point (N, D) with its nearest center (k, D); what was before does not matter."""
    rows = torch.arange(len(points), device=points.device)
    anywhere = torch.full(rows.shape, torch.inf, dtype=torch.float64, device=points.device)
    return Clusters(*nearest(points, rows, centers, anywhere), centers)


def assign_active(points: Tensor, centers: Tensor, before: Clusters) -> Clusters:
    """As `assign_all`, knowing the clusters before the centers moved.

    A center that did not move was no nearer than the point's own. Hence it can win only if the own
    center went away; all other points need to be compared with centers that moved, nothing else.
    """
    moved = (centers != before.centers).any(dim=1)
    values = own_values(points, centers, before, moved)
    left = moved[before.of_point] & (values > before.values - 3 * TIE)
    numbers = before.of_point.clone()
    rows = left.nonzero().squeeze(1)
    numbers[rows], values[rows] = nearest(
        points, rows, centers, torch.full_like(values[rows], torch.inf)
    )
    rows, arrived = (~left).nonzero().squeeze(1), moved.nonzero().squeeze(1)
    found, value = nearest(points, rows, centers[arrived], values[rows])
    number = arrived[found]
    wins = (value < values[rows] - TIE) | (
        (value <= values[rows] + TIE) & (number < numbers[rows])
    )
    numbers[rows[wins]], values[rows[wins]] = number[wins], value[wins]
    return Clusters(numbers, values, centers)


def own_values(points: Tensor, centers: Tensor, before: Clusters, moved: Tensor) -> Tensor:
    """Value (N,) of each point's center, taken anew where that is one of the `moved` (k,)."""
    values = before.values.clone()
    halves = centers.square().sum(dim=1) / 2
    for rows in moved[before.of_point].nonzero().squeeze(1).split(BLOCK):
        own = before.of_point[rows]
        values[rows] = halves[own] - (points[rows].double() * centers[own]).sum(dim=1)
    return values


def fill_empty(points: Tensor, clusters: Clusters) -> Clusters:
    """Give each center without points the farthest point from its center; equally far, the first.

    Only the membership changes. A point on its center is not far.
    """
    counts = torch.bincount(clusters.of_point, minlength=len(clusters.centers))
    empty = (counts == 0).nonzero().squeeze(1)
    if len(empty) == 0:
        return clusters
    distances = squared_distances(points, clusters)
    far = distances.argsort(descending=True, stable=True)[: len(empty)]
    far = far[distances[far] > 8 * TIE]
    of_point = clusters.of_point.clone()
    of_point[far] = empty[: len(far)]
    return replace(clusters, of_point=of_point)


def squared_distances(points: Tensor, clusters: Clusters) -> Tensor:
    """Squared distance (N,) float64 of each point to its center."""
    lengths = [block.double().square().sum(dim=1) for block in points.split(BLOCK)]
    return (torch.cat(lengths) + 2 * clusters.values).clamp(min=0.0)


def membership_changes(before: Tensor, clusters: Clusters) -> Tensor:
    """Mask (k,) of the centers that won or lost points since `before` (N,)."""
    differs = before != clusters.of_point
    changed = torch.zeros(len(clusters.centers), dtype=torch.bool, device=before.device)
    changed[clusters.of_point[differs]] = True
    changed[before[differs]] = True  # of -1, no center yet, the last: its mean is only taken anew
    return changed


def means(points: Tensor, clusters: Clusters, changed: Tensor) -> Tensor:
    """Centers (k, D), those that `changed` (k,) at the mean of their points if they have any.

    Sums are in float64 and in the order of the points, so that equal members give equal bits.
    """
    sums = torch.zeros_like(clusters.centers)
    for rows in changed[clusters.of_point].nonzero().squeeze(1).split(BLOCK):
        # Not index_add, which on a GPU adds in no fixed order.
        own = clusters.of_point[rows]
        sums.index_put_((own,), points[rows].double(), accumulate=True)
    counts = torch.bincount(clusters.of_point, minlength=len(sums))
    fresh = changed & (counts > 0)
    return torch.where(
        fresh[:, None], sums / counts.clamp(min=1)[:, None], clusters.centers
    )
