"""The nearest center of each point: float32 products rule centers out, float64 decides."""

from dataclasses import dataclass

import torch
from torch import Tensor

ROWS, COLUMNS = 512, 2048  # points by centers of one product: 4 MB, which stay in the cache
GROUPED = 512  # from so many centers on, only the least value of each group is looked at first
GROUP = 8  # centers of a group
TIE = 1e-12  # far above the rounding of float64, far below what float32 points can mean
UNIT = 2.0**-24  # the worst relative rounding of float32


@dataclass(frozen=True, eq=False)
class Table:
    """C centers in G groups of S: number m G + g is member m of group g.

    Attributes: centers (C, D) float64; members (G, S, D), the same, filled up with zeros; halves
    (G, S), half their squared lengths, infinite for what fills up; tiles in float32, of some groups
    each: their centers (S g, D) with the sign changed, member after member, and halves (S g,).
    """

    centers: Tensor
    members: Tensor
    halves: Tensor
    tiles: list[tuple[Tensor, Tensor]]


def nearest(
    points: Tensor, rows: Tensor, centers: Tensor, limits: Tensor
) -> tuple[Tensor, Tensor]:
    """Number (M,) of the center nearest to each of M points, and its value (M,) float64.

    points (N, D) float32 and centers (C, D) float64, of lengths at most 1; `rows` (M,) says which
    points. A center's value is |c|^2 / 2 - x c: the squared distance is |x|^2 plus twice that. Of
    values within 1e-12 of the least the lowest number wins. A point whose least value is clearly
    above its limit (M,) may get number 0 and an infinite value instead.

    The answer is float64's, whatever the tile, threads or device: a product in float32 is trusted
    as far as its worst rounding allows and no further. That needs true float32 products, PyTorch's
    default. Memory: 10 MB, 32 kB D, and the centers in float64 two and a half times over.
    """
    arranged = arrange(centers)
    longest = float(torch.linalg.vector_norm(centers, dim=1).max())
    numbers = torch.zeros_like(rows)
    values = torch.full(rows.shape, torch.inf, dtype=torch.float64, device=points.device)
    for start in range(0, len(rows), ROWS):
        block = points[rows[start : start + ROWS]]
        wanted, found, value = search(block, arranged, limits[start : start + ROWS], longest)
        numbers[start + wanted], values[start + wanted] = found, value
    return numbers, values


def arrange(centers: Tensor) -> Table:
    """Table of centers (C, D)."""
    count, dim = centers.shape
    size = GROUP if count >= GROUPED else 1
    groups = -(-count // size)
    padded = centers.new_zeros(groups * size, dim)
    padded[:count] = centers
    halves = padded.square().sum(dim=1) / 2
    halves[count:] = torch.inf
    members, halves = padded.view(size, groups, dim), halves.view(size, groups)
    tiles = [
        (-part.reshape(-1, dim).float(), half.reshape(-1).float())
        for part, half in zip(
            members.split(COLUMNS // size, dim=1), halves.split(COLUMNS // size, dim=1), strict=True
        )
    ]
    return Table(centers, members.transpose(0, 1).contiguous(), halves.T.contiguous(), tiles)


def search(
    points: Tensor, arranged: Table, limits: Tensor, longest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the points (R, D) come within their limits, and `nearest` for those."""
    leasts = group_leasts(points, arranged)
    least, slack = leasts.amin(dim=1), rounding(points, longest)
    wanted = (least <= limits + slack).nonzero().squeeze(1)
    points = points[wanted].double()
    hits = leasts[wanted] <= (least + slack)[wanted, None]
    numbers, values = among_group(points, arranged, hits.byte().argmax(dim=1))
    unsure = (hits.sum(dim=1) > 1).nonzero().squeeze(1)
    for part in unsure.split(max(1, ROWS * COLUMNS // len(arranged.centers) // 2)):
        numbers[part], values[part] = among_all(points[part], arranged.centers)
    return wanted, numbers, values


def group_leasts(points: Tensor, arranged: Table) -> Tensor:
    """Least value (R, G) in each group, in float32."""
    size = arranged.members.shape[1]
    parts = []
    for negated, halves in arranged.tiles:
        values = torch.addmm(halves, points, negated.T)
        parts.append(values.view(len(points), size, -1).amin(dim=1))
    return torch.cat(parts, dim=1)


def rounding(points: Tensor, longest: float) -> Tensor:
    """Bound (R,) on how far two values of a point may be off in float32, centers up to `longest`.

    A sum of D products is off by at most D u |x| |c|, u = 2^-24, and rounding the center, half its
    squared length and their difference adds less than 4 u (|x| |c| + |c|^2 / 2).
    """
    lengths = torch.linalg.vector_norm(points, dim=1).double()
    terms = points.shape[1] + 8
    return 2 * terms * UNIT * (lengths * longest + longest**2 / 2)


def among_group(points: Tensor, arranged: Table, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest member of one group (R,) for each point (R, D) float64."""
    products = torch.bmm(arranged.members[groups], points[:, :, None]).squeeze(2)
    member, value = first_least(arranged.halves[groups] - products)
    return member * len(arranged.members) + groups, value


def among_all(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest of all centers (C, D) for each point (R, D), both float64."""
    return first_least(centers.square().sum(dim=1) / 2 - points @ centers.T)


def first_least(values: Tensor) -> tuple[Tensor, Tensor]:
    """Column (R,) of the first value within 1e-12 of the least of its row (R, C), and that value."""
    least = values.amin(dim=1, keepdim=True)
    column = (values <= least + TIE).byte().argmax(dim=1)
    return column, values.gather(1, column[:, None]).squeeze(1)
