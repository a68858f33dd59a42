"""k-means: greedy k-means++, then Lloyd's iterations until no point changes its cluster.

Points and centers are rounded to multiples of 2^-24 of a length that no point exceeds. float32
holds such numbers exactly, and sums of their products are exact in float64, in any order. Matrix
products in float32 only rule out centers that are clearly not the nearest; float64 decides between
the others. Hence the clusters do not depend on the number of threads or on the device. Devices
other than a CPU compute in float64 throughout.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

GRID = 2.0**-24
FARTHEST = 1e38  # about what float32 can hold
ITERATIONS = 300  # as in scikit-learn; most problems take some dozens
ROUNDS = 256  # rounds in which centers are drawn: several in each round if k is larger
GREEDY = 2048  # above so many centers, each is drawn without comparing candidates
ACTIVE = 512  # from so many centers on, points are compared with moved centers only
MOSTLY = 0.5  # share of moved centers above which a comparison with all is faster
CELLS = {"cpu": 2**18, "cuda": 2**24}  # products in a tile: on a CPU 1 MB, which stays in the cache
COLUMNS = 512  # centers in a tile
GROUPS = 8  # parts of a tile's centers of which only the minimum is compared first
NUMBERS = 2**15  # numbers in float64 at a time: these stay in the cache and in one thread
SUMMED = 1e-5  # share of a sum that float32 may lose
Share = Callable[[float], None]  # called with the share in [0, 1] of the work that is done


def k_means(
    points: Tensor,
    k: int,
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Cluster points by greedy k-means++ and at most 300 of Lloyd's iterations.

    points (N, D) of any floating type, clustered on their device; k in 1..N; seed >= 0. `progress`
    is called with `(done, total)` in points after every round of the start and every iteration; how
    many iterations are left is an estimate.

    Returns the clusters (N,), int64 in 0..k-1. The same seed gives the same clusters on any number
    of threads. Each point is in the cluster of its nearest center, of equally near ones the first,
    so equal points are together. Clusters that become empty take the points farthest from their
    centers, and stay empty only with fewer than k distinct points. Memory beside the points: a copy
    in float32, some 100 bytes for each point, 30 for each number in the centers, 12 for each point
    and each of max(k / 256, 1) (2 + ln k) candidates (k / 256 above 2,048 clusters), and 30 MB on a
    CPU.

    Raises ValueError for points that are not a matrix, not finite or 1e38 from their mean, for k
    outside 1..N, and for a negative seed.

    Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, SODA 2007,
    http://ilpubs.stanford.edu:8090/778/: a point is drawn as a center with a probability
    proportional to its squared distance from the nearest center so far. Greedy, as in scikit-learn:
    of 2 + floor(ln k) such points, the one that lowers the objective most. Lloyd, Least Squares
    Quantization in PCM, 1982.

    Differs from scikit-learn in the draws: above 256 clusters, k / 256 centers are drawn at a time
    as if each were the only one, and above 2,048 clusters each has one candidate. scikit-learn also
    stops earlier, when centers hardly move. faiss starts at random points and stops after 20
    iterations.
    """
    check(points, k, seed)

    def report(share: float) -> None:
        if progress:
            progress(round(share * len(points)), len(points))

    points = points.detach()
    mean, scale = frame(points)
    rounded = torch.cat([on_grid((part.double() - mean) / scale).float() for part in split(points)])
    rows = draw_centers(rounded, k, np.random.default_rng(seed), lambda done: report(done / 2))
    of_point = lloyd(rounded, rounded[rows].double(), lambda done: report((1 + done) / 2))
    report(1.0)
    return of_point


def check(points: Tensor, k: int, seed: int) -> None:
    """Raise ValueError for what `k_means` refuses."""
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"points have shape {tuple(points.shape)}: expected (N, D), not empty")
    if not 1 <= k <= len(points):
        raise ValueError(f"k is {k} with {len(points)} points: expected 1 to {len(points)}")
    if not all(torch.isfinite(part).all() for part in split(points)):
        raise ValueError("points hold NaN or infinity")
    if seed < 0:
        raise ValueError(f"seed is {seed}: expected 0 or more")


def frame(points: Tensor) -> tuple[Tensor, float]:
    """Mean (D,) float64 of points, rounded to float32, and a power of two above the distances."""
    total = torch.stack([part.double().sum(dim=0) for part in split(points)]).cumsum(dim=0)[-1]
    mean = (total / len(points)).float().double()
    lengths = [torch.linalg.vector_norm(part.double() - mean, dim=1) for part in split(points)]
    longest = float(torch.cat(lengths).max())
    if not longest < FARTHEST:
        raise ValueError(
            f"points are up to {longest:g} from their mean, too far for their distances to be "
            f"held: scale them to below {FARTHEST:g}"
        )
    return mean, 2.0 ** math.frexp(longest)[1]


def on_grid(values: Tensor) -> Tensor:
    """The multiples of 2^-24 nearest to values in float64."""
    return (values / GRID).round_().mul_(GRID)


def split(points: Tensor, width: int = 0) -> tuple[Tensor, ...]:
    """Rows of points, or of a tensor that belongs to points of `width`, some at a time."""
    parts: tuple[Tensor, ...] = torch.split(points, max(1, NUMBERS // (width or points.shape[1])))
    return parts


def working(points: Tensor) -> tuple[torch.dtype, float]:
    """Type of matrix products, and how far |c|^2 / 2 - x c may be off in it, for lengths up to 1.

    A sum of D products is off by at most D u for a unit roundoff u; the rest adds less than 8 u.
    """
    dtype = torch.float32 if points.device.type == "cpu" else torch.float64
    return dtype, (points.shape[1] + 8) * torch.finfo(dtype).eps


def squared_lengths(points: Tensor) -> Tensor:
    """Squared lengths (N,) float64."""
    return torch.cat([part.double().square().sum(dim=1) for part in split(points)])


def values_of(points: Tensor, centers: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
    """|c|^2 / 2 - x c (M,) float64, exact, of the points `rows` and the centers `numbers`."""
    halves = centers.square().sum(dim=1)[numbers] / 2
    width = points.shape[1]
    parts = zip(split(rows, width), split(numbers, width), split(halves, width), strict=True)
    for row, number, half in parts:
        half -= (points[row].double() * centers[number]).sum(dim=1)
    return halves


# The start


def draw_centers(points: Tensor, k: int, generator: np.random.Generator, share: Share) -> Tensor:
    """Rows (k,) of points on the grid: greedy k-means++.

    When all points lie on centers, the other rows are drawn uniformly.
    """
    batch, candidates = -(-k // ROUNDS), 2 + int(math.log(k)) if k <= GREEDY else 1
    lengths = squared_lengths(points)
    rows = generator.integers(len(points), size=1)
    distances = torch.full_like(lengths, torch.inf)
    come_nearer(points, distances, rows, distances[None])
    while len(rows) < k:
        count = min(batch, k - len(rows))
        sums = distances.cpu().numpy().cumsum()
        if sums[-1] == 0:
            rows = np.append(rows, generator.integers(len(points), size=k - len(rows)))
            break
        draws = generator.random((count, candidates)) * sums[-1]
        drawn = np.searchsorted(sums[:-1], draws, side="right")
        gains = gains_at_most(points, lengths, distances, drawn.ravel())
        best = take_best(points, lengths, distances, drawn, gains)
        come_nearer(points, distances, drawn.ravel()[best], gains[torch.from_numpy(best)])
        rows = np.append(rows, drawn.ravel()[best])
        share(len(rows) / k)
    return torch.from_numpy(rows).to(points.device)


def gains_at_most(points: Tensor, lengths: Tensor, distances: Tensor, drawn: np.ndarray) -> Tensor:
    """Upper bounds (M, N) of how much nearer each point is to the points `drawn` than before."""
    dtype, error = working(points)
    rows = torch.from_numpy(drawn).to(points.device)
    left = (distances - lengths + 2 * error).to(dtype)
    gains = torch.addmm(left, points[rows].to(dtype), points.to(dtype).T, alpha=2)
    return gains.sub_(lengths[rows, None].to(dtype))


def take_best(
    points: Tensor, lengths: Tensor, distances: Tensor, drawn: np.ndarray, gains: Tensor
) -> np.ndarray:
    """Position (M,) in `drawn` (M, L), as one list, of the best of each row's candidates."""
    first: np.ndarray = np.arange(len(drawn)) * drawn.shape[1]
    if drawn.shape[1] == 1:
        return first
    high = gains.clamp(min=0).sum(dim=1).cpu().numpy().reshape(drawn.shape)
    least = (gains - 4 * working(points)[1]).clamp_(min=0).sum(dim=1)
    low = least.cpu().numpy().reshape(drawn.shape)
    best = high.argmax(axis=1)
    for row in np.flatnonzero(
        (high >= low.max(axis=1, keepdims=True) * (1 - SUMMED)).sum(axis=1) > 1
    ):
        best[row] = exact_best(points, lengths, distances, drawn[row])
    first += best
    return first


def exact_best(points: Tensor, lengths: Tensor, distances: Tensor, drawn: np.ndarray) -> int:
    """Which of the points `drawn` (L,), as a center, lowers the distances most, or the first."""
    rows = torch.from_numpy(drawn).to(points.device)
    centers, width = points[rows].double().T, points.shape[1]
    gains = torch.zeros(len(drawn), dtype=torch.float64, device=points.device)
    for part, left in zip(split(points), split(distances - lengths, width), strict=True):
        nearer = left[:, None] + 2 * part.double() @ centers - lengths[rows]
        gains += nearer.clamp_(min=0).sum(dim=0)
    return int((gains >= gains.max() * (1 - 1e-9)).byte().argmax())


def come_nearer(points: Tensor, distances: Tensor, chosen: np.ndarray, gains: Tensor) -> None:
    """Lower the exact squared distances (N,) by new centers, the points `chosen` (M,)."""
    numbers, width = torch.from_numpy(chosen).to(points.device), points.shape[1]
    columns, rows = (gains > 0).nonzero(as_tuple=True)
    for row, number in zip(split(rows, width), split(numbers[columns], width), strict=True):
        gaps = (points[row].double() - points[number].double()).square().sum(dim=1)
        distances.scatter_reduce_(0, row, gaps, "amin")


# Lloyd's iterations


def lloyd(points: Tensor, centers: Tensor, share: Share) -> Tensor:
    """Clusters (N,) after at most `ITERATIONS` moves of centers (k, D), which start on the grid.

    `share` is called after each move, as if it took three quarters of the time of the one before.
    """
    of_point, before = nearest(points, centers), None
    sums = torch.zeros_like(centers)
    for iteration in range(ITERATIONS):
        of_point = fill_empty(points, centers, of_point)
        if not update(sums, points, before, of_point):
            break
        counts = torch.bincount(of_point, minlength=len(centers))[:, None]
        moved = torch.where(counts > 0, on_grid(sums / counts.clamp(min=1)), centers)
        before, of_point = of_point, reassign(points, centers, moved, of_point)
        centers = moved
        share(1 - 0.75 ** (iteration + 1))
    return of_point


def fill_empty(points: Tensor, centers: Tensor, of_point: Tensor) -> Tensor:
    """Clusters (N,) where each empty one has the point farthest from its center, several one each.

    A point on its center is not far, so clusters stay empty while all points are on centers.
    """
    empty = (torch.bincount(of_point, minlength=len(centers)) == 0).nonzero().squeeze(1)
    if len(empty) == 0:
        return of_point
    rows = torch.arange(len(points), device=points.device)
    distances = squared_lengths(points) + 2 * values_of(points, centers, rows, of_point)
    distances, rows = distances.sort(descending=True, stable=True)
    rows = rows[distances > 0][: len(empty)]
    return of_point.index_put((rows,), empty[: len(rows)])


def update(sums: Tensor, points: Tensor, before: Tensor | None, of_point: Tensor) -> bool:
    """Bring the sums (k, D) of each cluster's points up to date; whether any point changed."""
    if before is None:
        changed = torch.arange(len(points), device=points.device)
    else:
        changed = (before != of_point).nonzero().squeeze(1)
    for rows in split(changed, points.shape[1]):
        part = points[rows].double()
        sums.index_add_(0, of_point[rows], part)
        if before is not None:
            sums.index_add_(0, before[rows], part, alpha=-1)
    return len(changed) > 0


def reassign(points: Tensor, before: Tensor, centers: Tensor, of_point: Tensor) -> Tensor:
    """Clusters (N,) after centers (k, D) moved; the same as `nearest`, faster if few moved.

    A center that did not move was no nearer than the point's own. Hence it can be the nearest only
    if the own center moved away. All other points are compared with moved centers only.
    """
    moved = (centers != before).any(dim=1)
    if len(centers) < ACTIVE or moved.sum() > MOSTLY * len(centers):
        return nearest(points, centers)
    rows = torch.arange(len(points), device=points.device)
    values = values_of(points, centers, rows, of_point)
    away = values > values_of(points, before, rows, of_point)
    of_point = of_point.masked_fill(away, len(centers))  # behind all others
    near = values.masked_fill(away, torch.inf)
    take_nearest(points, centers, rows[away], None, of_point, near)
    take_nearest(points, centers, rows[~away], moved.nonzero().squeeze(1), of_point, near)
    return of_point


def nearest(points: Tensor, centers: Tensor) -> Tensor:
    """Center (N,) in 0..k-1 nearest to each point, of equally near ones the first."""
    rows = torch.arange(len(points), device=points.device)
    of_point = torch.full_like(rows, len(centers))
    near = torch.full(rows.shape, torch.inf, dtype=torch.float64, device=points.device)
    take_nearest(points, centers, rows, None, of_point, near)
    return of_point


def take_nearest(
    points: Tensor,
    centers: Tensor,
    rows: Tensor,
    rivals: Tensor | None,
    of_point: Tensor,
    near: Tensor,
) -> None:
    """Give the points `rows` to the nearest of the centers `rivals` where that is nearer than now.

    near (N,) holds the values of the points and their centers. If rivals are all centers (None), it
    must be infinite.
    """
    table = centers if rivals is None else centers[rivals]
    if len(rows) == 0 or len(table) == 0:
        return
    for row, number, single in close_pairs(points, table, rows, near):
        if rivals is None:
            of_point[row] = number
            doubtful = (~single).nonzero().squeeze(1)
            row, number = row[doubtful], number[doubtful]
        else:
            number = rivals[number]
        if len(row):
            decide(points, centers, row, number, of_point, near)


def decide(
    points: Tensor, centers: Tensor, rows: Tensor, numbers: Tensor, of_point: Tensor, near: Tensor
) -> None:
    """Give points to the first of the nearest among their own center and those paired with them."""
    values, before = values_of(points, centers, rows, numbers), near[rows]
    near.scatter_reduce_(0, rows, values, "amin")
    best = values == near[rows]
    of_point[rows[best & (values < before)]] = len(centers)
    of_point.scatter_reduce_(0, rows[best], numbers[best], "amin")


def close_pairs(
    points: Tensor, table: Tensor, rows: Tensor, near: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pairs of points and centers that may be nearest, as rows (M,) and numbers (M,), with a mask
    (M,) of the points that are in one pair only.

    These are all pairs whose value is neither above the point's in `near` nor above its least.
    """
    dtype, error = working(points)
    tiles = center_tiles(table, dtype)
    size = max(1, CELLS[points.device.type] // tiles[0][0].shape[0])
    for part in torch.split(rows, size):
        block, limits = points[part].to(dtype).T, (near[part] + error).to(dtype)
        found = []
        for tile, (negated, halves) in enumerate(tiles):
            values = torch.addmm(halves[:, None], negated, block).view(GROUPS, -1, len(part))
            pairs, limits = below_limits(values, limits, error)
            found.append((pairs[0], pairs[1] + tile * COLUMNS, pairs[2]))
        row, number, value = (torch.cat(field) for field in zip(*found, strict=True))
        if len(tiles) > 1:  # limits became lower from tile to tile
            kept = value <= limits[row]
            row, number = row[kept], number[kept]
        yield part[row], number, torch.bincount(row, minlength=len(part))[row] == 1


def center_tiles(table: Tensor, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Centers (C, D) with changed sign and half their squared lengths (C,), in tiles.

    Infinite lengths fill the last tile, so that it can be cut into groups.
    """
    count = -(-len(table) // GROUPS) * GROUPS
    negated = table.new_zeros(count, table.shape[1], dtype=dtype)
    negated[: len(table)] = -table
    halves = table.new_full((count,), torch.inf)
    halves[: len(table)] = table.square().sum(dim=1) / 2
    parts = torch.split(negated, COLUMNS), torch.split(halves.to(dtype), COLUMNS)
    return list(zip(*parts, strict=True))


def below_limits(
    values: Tensor, limits: Tensor, error: float
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Columns, numbers and values (M,) of values (8, C / 8, R) up to the limits (R,), which are
    lowered first to the column's least value."""
    least = values.amin(dim=0)
    limits = torch.minimum(limits, least.amin(dim=0) + error)
    group, column = (least <= limits).nonzero(as_tuple=True)
    members = values[:, group, column]
    member, place = (members <= limits[column]).nonzero(as_tuple=True)
    numbers = member * values.shape[1] + group[place]
    return (column[place], numbers, members[member, place]), limits
