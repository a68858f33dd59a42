"""The nearest center of each point: float32 products rule centers out, float64 decides."""

from dataclasses import dataclass

import torch
from torch import Tensor

ROWS, COLUMNS = 1024, 512  # points by centers of one product: 2 MB, which stay in the cache
GROUPED = 512  # from so many centers on, only the least value of each group is looked at first
GROUP = 8  # centers of a group
TIE = 1e-12  # far above the rounding of float64, far below what float32 points can mean
UNSURE = -2
NUMBERS = 2**15  # held in float64 at a time: they stay in the cache, and in one thread
UNIT = 2.0**-24  # the worst relative rounding of float32


@dataclass(frozen=True, eq=False)
class Table:
    """C centers in G groups of S: number m G + g is member m of group g.

    Attributes: centers (C, D) float64; members (G, S, D) float32, filled up with zeros; halves
    (G, S) float32, half their squared lengths, infinite for what fills up; tiles in float32, of
    some groups each: their centers (S g, D) with the sign changed, member after member, and halves
    (S g,); slack, how far two values of a point may be off in float32.
    """

    centers: Tensor
    members: Tensor
    halves: Tensor
    tiles: list[tuple[Tensor, Tensor]]
    slack: float


def arrange(centers: Tensor) -> Table:
    """Table of centers (C, D) float64, lengths at most 1."""
    count, dim = centers.shape
    size = GROUP if count >= GROUPED else 1
    groups = -(-count // size)
    padded = centers.new_zeros(groups * size, dim)
    padded[:count] = centers
    halves = padded.square().sum(dim=1) / 2
    halves[count:] = torch.inf
    members, halves = padded.view(size, groups, dim).float(), halves.view(size, groups).float()
    cut = zip(
        *(torch.split(part, COLUMNS // size, dim=1) for part in (members, halves)), strict=True
    )
    tiles = [(-part.reshape(-1, dim), half.reshape(-1)) for part, half in cut]
    members, halves = members.transpose(0, 1).contiguous(), halves.T.contiguous()
    return Table(centers, members, halves, tiles, rounding(centers))


def rounding(centers: Tensor) -> float:
    """How far two values of a point may be off in float32.

    A sum of D products is off by at most D u |x| |c|, u = 2^-24, and rounding the center, half its
    squared length and their difference adds less than 4 u (|x| |c| + |c|^2 / 2); here |x| <= 1.
    """
    longest = float(torch.linalg.vector_norm(centers, dim=1).max())
    return 2 * (centers.shape[1] + 8) * UNIT * (longest + longest**2 / 2)


def blocks(points: Tensor) -> tuple[Tensor, ...]:
    """The points (N, D) in parts of some ten thousand numbers."""
    parts: tuple[Tensor, ...] = torch.split(points, max(1, NUMBERS // points.shape[1]))
    return parts


def squared_lengths(points: Tensor) -> Tensor:
    """Squared lengths (N,) float64 of points (N, D), some of which are in float64 at a time."""
    return torch.cat([part.double().square().sum(dim=1) for part in blocks(points)])


def nearest(
    points: Tensor, table: Table, rows: Tensor | None = None, limits: Tensor | None = None
) -> Tensor:
    """Number (M,) of the center nearest to each of the points `rows` (M,), or to all.

    points (N, D) float32, lengths at most 1. A center's value is |c|^2 / 2 - x c: the squared
    distance is |x|^2 plus twice that. Of values within 1e-12 of the least the lowest number wins.
    A point whose least value is above its limit (M,) float64 may get -1 instead.

    The answer is float64's, whatever the tile, threads or device: a product in float32 is trusted
    as far as its worst rounding allows and no further. That needs true float32 products, PyTorch's
    default. Memory: 30 MB, 16 kB D, and the table, which holds the centers four times over.
    """
    count = len(points) if rows is None else len(rows)
    found = []
    for start in range(0, count, ROWS):
        part = slice(start, start + ROWS)
        block = points[part] if rows is None else points[rows[part]]
        found.append(search(block, table, None if limits is None else limits[part]))
    numbers = torch.cat(found) if found else points.new_empty(0).long()
    unsure = (numbers == UNSURE).nonzero().squeeze(1)
    for some in torch.split(unsure, max(1, ROWS * COLUMNS // len(table.centers))):
        block = points[some if rows is None else rows[some]]
        numbers[some] = first_nearest(block.double(), table.centers)
    return numbers


def search(points: Tensor, table: Table, limits: Tensor | None) -> Tensor:
    """`nearest` for one block of points (R, D), or -2 where float32 does not tell."""
    leasts = group_leasts(points, table)
    least, groups, unsure = clearly_least(leasts, table.slack)
    if limits is None:
        return in_group(points, table, groups, unsure)
    numbers = torch.full(points.shape[:1], -1, device=points.device)
    wanted = (least <= limits + table.slack).nonzero().squeeze(1)
    numbers[wanted] = in_group(points[wanted], table, groups[wanted], unsure[wanted])
    return numbers


def group_leasts(points: Tensor, table: Table) -> Tensor:
    """Least value (R, G) in each group, in float32."""
    size = table.members.shape[1]
    parts = []
    for negated, halves in table.tiles:
        values = torch.addmm(halves, points, negated.T)
        parts.append(values.view(len(points), size, -1).amin(dim=1))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def clearly_least(values: Tensor, slack: float) -> tuple[Tensor, Tensor, Tensor]:
    """Least value (R,) of each row (R, C), its column, and whether another is not clearly greater.

    Overwrites the values.
    """
    least, column = values.min(dim=1)
    values.scatter_(1, column[:, None], torch.inf)
    return least, column, values.amin(dim=1) <= least + slack


def in_group(points: Tensor, table: Table, groups: Tensor, unsure: Tensor) -> Tensor:
    """Nearest center (R,) of points (R, D) in its group (R,), or -2 where that is `unsure`."""
    numbers = groups
    if table.members.shape[1] > 1:
        products = torch.bmm(table.members[groups], points[:, :, None]).squeeze(2)
        _, member, close = clearly_least(table.halves[groups] - products, table.slack)
        numbers, unsure = member * len(table.members) + groups, unsure | close
    return numbers.masked_fill_(unsure, UNSURE)


def first_nearest(points: Tensor, centers: Tensor) -> Tensor:
    """As `nearest`, all in float64."""
    values = centers.square().sum(dim=1) / 2 - points @ centers.T
    return (values <= values.amin(dim=1, keepdim=True) + TIE).byte().argmax(dim=1)
