"""Where k-means starts: greedy k-means++, several centers at a time where there are many."""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.nearest import UNIT
from proxy_core.metrics.pruning import pays

ROUNDS = 256  # up to so many centers are chosen one by one
PRODUCTS = 2**19  # of points and candidates at a time: 2 MB
KEPT = 2**22  # of points and all candidates of a round: 16 MB
BLOCK = 4096  # pairs of points that are held in float64 at a time


def spread_out(
    points: Tensor,
    k: int,
    generator: np.random.Generator,
    told: Callable[[float], None] | None = None,
) -> Tensor:
    """Rows (k,) of points (N, D) that lie far apart: greedy k-means++. 1 <= k <= N.

    points: float32, lengths at most 1. Arthur and Vassilvitskii, k-means++: The Advantages of
    Careful Seeding, SODA 2007, http://ilpubs.stanford.edu:8090/778/: points are drawn with
    probabilities proportional to their squared distance to the nearest center so far. Greedy means,
    as in scikit-learn, that for each center 2 + floor(ln k) candidates are drawn and the one that
    lowers the sum of these distances most is taken.

    Differs for k > 256: ceil(k / 256) centers at a time are chosen so, each from candidates of its
    own and as if it were alone, which makes matrix products of the work. Once all points lie on
    centers, the other rows are drawn from all points alike.

    Distances are float64's and the generator is asked on the CPU: the device, and whether the work
    is so large that compiled loops do it, can matter only where two candidates are equally good up
    to the rounding of float32. Memory: 30 MB, 100 kB D, 70 bytes for each point. `told` is called
    now and then with the share in [0, 1] that is chosen.
    """
    batch, candidates, compiled = -(-k // ROUNDS), 2 + int(math.log(k)), pays(points, k)
    lengths = points.square().sum(dim=1)
    distances = torch.full(lengths.shape, torch.inf, dtype=torch.float64, device=points.device)
    rows = generator.integers(len(points), size=1)
    take_best(points, lengths, rows[:, None], distances, compiled=compiled)
    while len(rows) < k:
        count = min(batch, k - len(rows))
        sums = distances.cpu().numpy().cumsum()
        if sums[-1] == 0:
            rest = generator.integers(len(points), size=k - len(rows))
            return torch.from_numpy(np.append(rows, rest)).to(points.device)
        places = generator.random((count, candidates)) * sums[-1]
        drawn = np.searchsorted(sums[:-1], places, side="right")
        best = take_best(points, lengths, drawn, distances, compiled=compiled)
        rows = np.append(rows, best)
        if told:
            told(len(rows) / k)
    return torch.from_numpy(rows).to(points.device)


def take_best(
    points: Tensor, lengths: Tensor, drawn: np.ndarray, distances: Tensor, *, compiled: bool
) -> np.ndarray:
    """Of each row of candidates (M, L) the one that lowers the sum of the distances (N,) most;
    also lowers them."""
    if compiled and len(drawn) == 1:
        from proxy_core.metrics import pair_loops  # numba takes its time to import

        parts = points.numpy(), lengths.numpy(), drawn[0], distances.numpy()
        place = pair_loops.take_best(*parts, np.float32(doubt(points)))
        return drawn[:, place]
    nearer = how_much_nearer(points, lengths, drawn.ravel(), distances)
    kept = list(nearer) if drawn.size * len(points) <= KEPT else None
    gain = torch.zeros(drawn.size, dtype=torch.float64, device=points.device)
    for _, block in nearer if kept is None else kept:
        gain += block.clamp(min=0.0).sum(dim=0)
    best = gain.view(drawn.shape).argmax(dim=1).cpu().numpy()
    best += np.arange(len(drawn)) * drawn.shape[1]
    chosen: np.ndarray = drawn.ravel()[best]
    if kept is None:
        again = how_much_nearer(points, lengths, chosen, distances)
    else:
        again = ((start, block[:, best]) for start, block in kept)
    come_nearer(points, chosen, distances, again)
    return chosen


def come_nearer(
    points: Tensor, chosen: np.ndarray, distances: Tensor, nearer: Iterable[tuple[int, Tensor]]
) -> None:
    """Lower the squared distances (N,) to those from the chosen rows (M,) where these are nearer.

    Only where float32 cannot exclude it, by `how_much_nearer`, are distances taken in float64.
    """
    slack = doubt(points)
    numbers = torch.from_numpy(chosen).to(points.device)
    for start, block in nearer:
        rows, columns = (block > -slack).nonzero(as_tuple=True)
        pairs = torch.split(rows + start, BLOCK), torch.split(numbers[columns], BLOCK)
        for row, center in zip(*pairs, strict=True):
            exact = (points[row].double() - points[center].double()).square().sum(dim=1)
            distances.scatter_reduce_(0, row, exact, "amin")


def doubt(points: Tensor) -> float:
    """How far a difference of two squared distances may be off in float32."""
    return 4 * (points.shape[1] + 8) * UNIT


def how_much_nearer(
    points: Tensor, lengths: Tensor, chosen: np.ndarray, distances: Tensor
) -> Iterator[tuple[int, Tensor]]:
    """Distances (N,) minus those from the chosen rows (M,), in float32 and blocks (R, M) of points,
    each with its first point; squared lengths (N,). Points at distance 0 are never nearer."""
    centers = torch.from_numpy(chosen).to(points.device)
    left = (distances.float() - lengths).masked_fill_(distances == 0, -torch.inf)
    size = max(1, PRODUCTS // len(centers))
    for start in range(0, len(points), size):
        part = slice(start, start + size)
        nearer = torch.addmm(-lengths[centers], points[part], points[centers].T, alpha=2)
        yield start, nearer.add_(left[part, None])
