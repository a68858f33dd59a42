"""Exact ranking for about half the cost of a float32 product of all pairs.

1. Items are sorted by class. The similarities of each query's own class, the hits, are computed
   in float64 (`own_class`).
2. All pairs are multiplied in float32, one tile at a time (`compare`). In a search of a set in
   itself each product serves both of its items. Each negative is counted at the best hit that it
   precedes. A hit is open while it may be among the first M = max(R, K); negatives below the last
   open hit are skipped, and there are soon few others (`scan_tile`, `count`). With a list of K
   neighbors, the negatives that may be on it are kept (`keep`).
3. What float32 cannot decide is decided in float64 (`decide`, `kept_negatives`).

Error bound. Let u = 2**-24 and let x, y be unit vectors. The operands are x (1 + a) and y (1 + b)
with |a|, |b| <= u in every dimension. A sum of D products in any order, fused or not, is off by at
most D u / (1 - D u) times the sum of |x_d y_d| (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1), and that sum is at most |x| |y| = 1. So a product is off by less than
1.01 (D + 2) u / (1 - D u). Thresholds are rounded to float32 too, hence `width` has (D + 8) u, and
2**-100 per dimension for underflow. For distances the sum has D + 2 products and is at most 2. A
product within `width` of a threshold is decided in float64.

The kept negatives are complete above the K-th best product minus `margin`: twice the width, and
one tie per item, since items that are equal step by step are listed in the order of the gallery. A
query is left to whole rows in float64 if too many of its pairs are close, as after a collapse.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from proxy_core.distances import directions, full_precision_products
from proxy_core.metrics.ranking import (
    TIE,
    Progress,
    Side,
    center_and_radius,
    edges,
    empty_fields,
    order_ties,
    pair_similarities,
    rank_in_float64,
    settle,
)

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., object])
Task = tuple[slice, slice]  # queries of a part, and rows of the gallery
Found = tuple[list[Array], Array, Array]  # counts; F queries and items (2, >= F), products (F,)

TILE = {"cpu": 768, "cuda": 4096}  # the products of a tile stay in the cache of a CPU
MEMORY = 2**28  # bytes for hits and negatives of the queries that are searched together
CELLS = 2**18  # values of a padded table
CHUNK = 2**19  # numbers that are converted to float64 together
WAITING = 8  # tiles per thread in the queue
LOWEST = -4.0  # below every product
UNIT = 2.0**-24  # largest relative error of rounding to float32


@dataclass(frozen=True, eq=False)
class Items:
    """N items. Rows are in the order of classes, positions in the order of the input."""

    vectors: Tensor  # (N, D) of any type, by position
    order: Tensor  # (N,) int64: position of each row
    labels: Tensor  # (N,) int64, by row, ascending
    ids: Tensor  # (N,) int64, by row
    euclidean: bool

    def exact(self, rows: Tensor | slice) -> Tensor:
        """The chosen rows (..., D) in float64, of unit length where cosines are compared."""
        vectors = self.vectors[self.order[rows]]
        if self.euclidean:
            return vectors.double()
        return directions(vectors.flatten(0, -2)).view(vectors.shape)


@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared. A float32 product is `scale` times the similarity, within `width`."""

    queries: Items
    gallery: Items
    left: Tensor  # (Q, D) float32 operands, by row; of D + 2 dimensions for distances
    right: Tensor  # (G, D) float32
    own: Tensor  # (Q, 2) int64: first row of the query's class in the gallery, and its end
    scale: float
    width: float
    margin: float
    euclidean: bool
    clashing: bool  # may items with one id have different labels?

    def similarities(self, queries: Tensor, items: Tensor) -> Tensor:
        """Similarities (F,) in float64, on the CPU, of F pairs of rows."""
        device, step = self.own.device, max(1, CHUNK // self.left.shape[1])
        values = torch.empty(len(queries), dtype=torch.float64)
        for some in slices(len(queries), step):
            left = self.queries.exact(queries[some].to(device))
            right = self.gallery.exact(items[some].to(device))
            if self.euclidean:
                values[some] = -(left - right).square().sum(dim=1).cpu()
            else:
                values[some] = torch.linalg.vecdot(left, right).cpu()
        return values


@dataclass(frozen=True, eq=False)
class Hits:
    """Positives of P queries, best first, one query after the other; -inf for the query itself."""

    starts: Tensor  # (P + 1,) int64: first entry of each query
    values: Tensor  # float64 similarities
    rows: Tensor  # int64 rows of the gallery
    relevant: Tensor  # (P,) int64: R


class Counts(NamedTuple):
    """Negatives of P queries, for compiled loops. E are the entries of `Hits`."""

    starts: Array  # (P + 1,) int64: first entry of each query
    edges: Array  # (E,) float64: lowest similarity of a negative that precedes the hit
    counts: Array  # (E,) int64: negatives that precede this hit and none before it
    open: Array  # (P,) int64: how many of the best hits may be among the first M, 1 at least
    ahead: Array  # (P,) int64: negatives that precede the last of these
    wanted: Array  # (P,) int64: M
    limits: Array  # (3, P) float32 products: above the first, a negative precedes all hits; below
    # the second, no open hit; from the third, it may be a neighbor; infinite if there is none
    close: Array  # (P,) int64: negatives that float32 could not order
    late: Array  # (P,) bool: left to float64


class Kept(NamedTuple):
    """Negatives of P queries that may be neighbors."""

    sizes: Array  # (P,) int64
    items: Array  # (P, W) int32: rows of the gallery
    products: Array  # (P, W) float32


def compiled(function: Function) -> Function:
    """Compile a loop that runs without Python's lock, and cache it if the folder is writable."""
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder for the cache
        return cast(Function, njit(nogil=True)(function))


def search(
    queries: Side,
    gallery: Side,
    neighbors: int,
    progress: Progress | None,
    *,
    euclidean: bool,
) -> list[Tensor]:
    """Return the fields of `Ranking` for checked sides; one object is searched in itself."""
    with full_precision_products():
        sides = arrange(queries, gallery, euclidean=euclidean)
        fields = empty_fields(len(queries[0]), neighbors)
        late = []
        for part in parts(sides.own, neighbors):
            run = start(sides, part, neighbors)
            tiles, size = run.tiles(), part.stop - part.start
            for done, _ in enumerate(in_threads(run.compare, tiles, run.threads), start=1):
                if progress:
                    progress(part.start * len(tiles) + size * done, len(fields[0]) * len(tiles))
            run.finish(fields)
            late.append(sides.queries.order[part].cpu()[torch.from_numpy(run.state.late)])
    left = torch.cat(late).to(queries[0].device)
    if len(left):
        some = queries[0][left], queries[1][left], queries[2][left]
        exact = rank_in_float64(some, gallery, neighbors, progress, euclidean=euclidean)
        for column, values in zip(fields, exact, strict=True):
            column[left.cpu()] = values
    return fields


def parts(own: Tensor, neighbors: int) -> Iterator[slice]:
    """Slices of queries for which `MEMORY` suffices; each holds one query at least."""
    sizes = own[:, 1] - own[:, 0]
    ends = (40 * sizes + 16 * neighbors + 640).cumsum(dim=0).cpu()
    first = 0
    while first < len(own):
        limit = (int(ends[first - 1]) if first else 0) + MEMORY
        past = max(first + 1, int(torch.searchsorted(ends, limit, right=True)))
        yield slice(first, past)
        first = past


# Both sides, sorted by class


def arrange(queries: Side, gallery: Side, *, euclidean: bool) -> Sides:
    """Sort both sides by class and make their float32 operands."""
    items = sort_items(gallery, euclidean=euclidean)
    others = items if queries is gallery else sort_items(queries, euclidean=euclidean)
    size, dim = items.vectors.shape
    center, radius, scale, factor = torch.zeros(1, device=items.ids.device), 1.0, 1.0, 1
    if euclidean:
        center, radius = center_and_radius(others.vectors, items.vectors)
        scale, factor, dim = 0.5 / radius**2, 2, dim + 2
    right = operands(items, center, radius, left=False)
    shared = others is items and not euclidean
    left = right if shared else operands(others, center, radius, left=True)
    width = factor * 1.01 * (dim + 8) * UNIT / (1 - dim * UNIT) + dim * 2.0**-100
    margin = 2 * width + factor * 1.01 * (size + 2) * TIE
    own = torch.stack(
        [torch.searchsorted(items.labels, others.labels, right=end) for end in (False, True)], dim=1
    )
    clashing = ids_clash(others, items)
    return Sides(others, items, left, right, own, scale, width, margin, euclidean, clashing)


def sort_items(side: Side, *, euclidean: bool) -> Items:
    """Sort the items of a checked side by class."""
    vectors, labels, ids = side
    labels, order = labels.sort(stable=True)
    return Items(vectors, order, labels, ids[order], euclidean)


def operands(items: Items, center: Tensor, radius: float, *, left: bool) -> Tensor:
    """Rows in float32 whose products are cosines (D), or minus half a squared distance (D + 2).

    u.v - |u|^2 / 2 - |v|^2 / 2 = -|u - v|^2 / 2, with two more dimensions for the two squares.
    Distances are those from `center` in units of `radius`.
    """
    size, dim = items.vectors.shape
    out = torch.ones(size, dim + 2 * items.euclidean, dtype=torch.float32, device=center.device)
    for rows in slices(size, max(1, CHUNK // dim)):
        vectors = (items.exact(rows) - center) / radius
        out[rows, :dim] = vectors.float()
        if items.euclidean:
            out[rows, -2 if left else -1] = (-vectors.square().sum(dim=1) / 2).float()
    return out


def ids_clash(queries: Items, gallery: Items) -> bool:
    """Report whether one id has several labels, so that a negative may be the query itself."""
    ids, order = torch.cat([queries.ids, gallery.ids]).sort()
    labels = torch.cat([queries.labels, gallery.labels])[order]
    return bool(((ids[1:] == ids[:-1]) & (labels[1:] != labels[:-1])).any())


def slices(size: int, step: int) -> Iterator[slice]:
    """Slices of at most `step` that cover 0 to `size`."""
    return (slice(first, min(first + step, size)) for first in range(0, size, step))


# Hits, and what is known before negatives are seen


def own_class(sides: Sides, part: slice) -> Hits:
    """Compute the hits of a part of the queries, for all classes of one size at a time."""
    own, labels = sides.own[part], sides.queries.labels[part]
    sizes = own[:, 1] - own[:, 0]
    starts = offsets(sizes)
    values = torch.empty(int(starts[-1]), dtype=torch.float64, device=own.device)
    rows = torch.empty(len(values), dtype=torch.int64, device=own.device)
    _, counts = torch.unique_consecutive(labels, return_counts=True)
    firsts = counts.cumsum(dim=0) - counts
    shapes = torch.stack([counts, sizes[firsts]], dim=1)
    for shape in torch.unique(shapes, dim=0).tolist():
        classes = firsts[(shapes == shapes.new_tensor(shape)).all(dim=1)]
        cells = shape[0] * shape[1] + sum(shape) * sides.gallery.vectors.shape[1]
        for some in classes.split(max(1, CHUNK // cells)) if shape[1] else ():
            queries = some[:, None] + torch.arange(shape[0], device=own.device)
            items = own[some, :1] + torch.arange(shape[1], device=own.device)
            table, order = class_similarities(sides, queries + part.start, items)
            cells_of = starts[queries][:, :, None] + torch.arange(shape[1], device=own.device)
            values[cells_of] = table
            rows[cells_of] = items[:, None, :].expand_as(order).gather(2, order)
    known = torch.zeros(len(values) + 1, dtype=torch.int64, device=own.device)
    known[1:] = (values > -torch.inf).cumsum(dim=0)
    return Hits(starts, values, rows, known[starts[1:]] - known[starts[:-1]])


def class_similarities(sides: Sides, queries: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Similarities (C, Q, G), best first, and their order, of rows (C, Q) with rows (C, G)."""
    vectors = sides.queries.exact(queries), sides.gallery.exact(items)
    table = pair_similarities(*vectors, euclidean=sides.euclidean)
    same = sides.queries.ids[queries][:, :, None] == sides.gallery.ids[items][:, None, :]
    return table.masked_fill_(same, -torch.inf).sort(dim=2, descending=True)


def offsets(sizes: Tensor) -> Tensor:
    """First entry (P + 1,) of each of P lists of the given sizes, and the end of the last."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(dim=0)])


def padded(starts: Tensor, values: Tensor, fill: float) -> Tensor:
    """Table (T, W) of T lists that start at starts (T + 1,), filled up to the longest."""
    index = starts[:-1, None] + torch.arange(longest(starts), device=starts.device)
    beyond = index >= starts[1:, None]
    table = F.pad(values, (0, 1))[index.masked_fill_(beyond, -1)]
    return table.masked_fill_(beyond, fill)


def longest(starts: Tensor) -> int:
    """Length of the longest of the lists that start at starts (T + 1,)."""
    return int((starts[1:] - starts[:-1]).max())


def start(sides: Sides, part: slice, neighbors: int) -> "Search":
    """Begin the search of a part of the queries with its hits."""
    hits = own_class(sides, part)
    starts, values, relevant = (part.cpu() for part in (hits.starts, hits.values, hits.relevant))
    some = (relevant > 0).nonzero().flatten()
    edge = edges(values, euclidean=sides.euclidean)
    limits = torch.full((3, len(relevant)), torch.inf, dtype=torch.float32)
    limits[0, some] = (edge[starts[some]] * sides.scale + sides.width).float()
    limits[1, some] = (edge[starts[some] + relevant[some] - 1] * sides.scale - sides.width).float()
    limits[2] = LOWEST if neighbors else torch.inf
    wanted, opened = relevant.clamp(min=neighbors).numpy(), relevant.numpy().copy()
    counts, (ahead, close, sizes) = (
        np.zeros(len(edge), np.int64),
        np.zeros((3, len(wanted)), np.int64),
    )
    late = np.zeros(len(wanted), np.bool_)
    columns = starts.numpy(), edge.numpy(), counts, opened, ahead, wanted, limits.numpy()
    # K negatives, and some more so that they are sorted out rarely
    width = min(2 * neighbors + 64, len(sides.gallery.order)) if neighbors else 0
    kept = [np.empty((len(wanted), width), dtype) for dtype in (np.int32, np.float32)]
    lists = Kept(sizes, kept[0], kept[1])
    state, buffers = Counts(*columns, close, late), Buffers(sides.own.device)
    symmetric = sides.queries is sides.gallery and len(wanted) == len(sides.gallery.order)
    threads = torch.get_num_threads() if sides.own.device.type == "cpu" else 1
    own = sides.own[part].cpu().numpy()
    return Search(sides, part, own, neighbors, hits, state, lists, buffers, symmetric, threads)


# The pass over all pairs


def tile_of(device: torch.device) -> int:
    """Rows of a tile."""
    return TILE["cpu" if device.type == "cpu" else "cuda"]


def growing(size: int, tile: int) -> Iterator[slice]:
    """Slices of 0 to `size` that are small at first, so that limits rise before much is listed."""
    first, step = 0, min(32, tile)
    while first < size:
        yield slice(first, min(first + step, size))
        first, step = first + step, min(4 * step, tile)


def in_threads(work: Callable[[Task], None], todo: Iterable[Task], threads: int) -> Iterator[None]:
    """Do all the work in threads that multiply alone; drop what is waiting after an error."""
    if threads == 1:
        yield from map(work, todo)
        return
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    left = iter(todo)
    try:
        waiting = deque(
            pool.submit(work, task) for task in itertools.islice(left, WAITING * threads)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, task) for task in itertools.islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


class Buffers(threading.local):
    """Memory of each thread for the products of a tile and for the pairs that are listed."""

    def __init__(self, device: torch.device) -> None:
        cells = tile_of(device) ** 2
        self.products = torch.empty(cells, dtype=torch.float32, device=device)
        size = 2 * cells if device.type == "cpu" else 0
        self.pairs, self.values = np.empty((2, size), np.int32), np.empty(size, np.float32)


@dataclass(eq=False)
class Search:
    """Search of a part of the queries. Query 0 is row `part.start`."""

    sides: Sides
    part: slice
    own: Array  # (P, 2) as in `Sides`; ascending
    neighbors: int
    hits: Hits
    state: Counts
    kept: Kept
    buffers: Buffers
    symmetric: bool  # is the part the whole gallery, so that one product serves both items?
    threads: int
    close: list[Array] = field(default_factory=list)  # pairs (2, F) that wait for float64
    waiting: int = 0  # their number
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tiles(self) -> list[Task]:
        """Tiles of the queries and the gallery; half of them in a symmetric search."""
        tile = tile_of(self.sides.own.device)
        return [
            (rows, columns)
            for columns in growing(len(self.sides.gallery.order), tile)
            for rows in growing(len(self.state.late), tile)
            if not self.symmetric or rows.start <= columns.start
        ]

    def compare(self, task: Task) -> None:
        """Compare a tile's queries with its items and, off the diagonal of a symmetric search, the
        items as queries with the queries."""
        queries, items = task
        both = self.symmetric and queries.start < items.start
        searched = [queries, items][: 1 + both]
        if all(self.state.late[part].all() for part in searched):
            return
        products = self.multiply(queries, items)
        limits = [self.state.limits[:, part].copy() for part in searched]
        scan = scan_on_cpu if products.device.type == "cpu" else scan_on_device
        counts, pairs, values = scan(products, limits, (queries.start, items.start), self.buffers)
        with self.lock:
            for part, count in zip(searched, counts, strict=True):
                self.count_before_all(part.start, count)
            self.count_others(pairs, values)

    def multiply(self, queries: slice, items: slice) -> Tensor:
        """Products (T, U) of rows; -inf where the item is the query or of its class."""
        sides = self.sides
        rows = slice(self.part.start + queries.start, self.part.start + queries.stop)
        left, right = sides.left[rows], sides.right[items]
        products = self.buffers.products[: len(left) * len(right)].view(len(left), len(right))
        torch.mm(left, right.T, out=products)
        if self.own[queries.start, 0] < items.stop and self.own[queries.stop - 1, 1] > items.start:
            same = sides.queries.labels[rows, None] == sides.gallery.labels[items]
            products.masked_fill_(same, -torch.inf)
        if sides.clashing:
            same = sides.queries.ids[rows, None] == sides.gallery.ids[items]
            products.masked_fill_(same, -torch.inf)
        return products

    def count_before_all(self, first: int, counts: Array) -> None:
        """Add counts (T,) of negatives that precede all hits, for the queries from `first`."""
        some = counts.nonzero()[0]
        self.state.counts[self.state.starts[first + some]] += counts[some]
        self.state.ahead[first + some] += counts[some]

    def count_others(self, pairs: Array, values: Array) -> None:
        """Keep the listed negatives that may be neighbors, and count those that precede a hit."""
        sides, late = self.sides, self.state.late
        if self.neighbors:
            keep(self.state.limits, late, self.kept, pairs, values, self.neighbors, sides.margin)
        most = 32 + len(sides.gallery.order) // 256
        size = count(self.state, pairs, values, sides.scale, sides.width, most)
        if size:
            self.close.append(pairs[:, :size][:, ~late[pairs[0, :size]]])
            self.waiting += size
        if self.waiting > CELLS:
            self.decide()

    def decide(self) -> None:
        """Count the pairs that wait at the first hit that they precede, found in float64."""
        query, item = torch.from_numpy(np.concatenate(self.close, axis=1)).long()
        self.close, self.waiting = [], 0
        values = self.sides.similarities(query + self.part.start, item)
        starts, edges, counts, opened = (torch.from_numpy(part) for part in self.state[:4])
        low = starts[query]
        end = high = low + opened[query]
        for _ in range(int(opened.max()).bit_length()):  # halve the range from low to high
            middle = (low + high) // 2
            reached = values >= edges[middle.clamp(max=len(edges) - 1)]
            low = torch.where(reached | (low == high), low, middle + 1)
            high = torch.where(reached, middle, high)
        counts += torch.bincount(low[low < end], minlength=len(counts))

    def finish(self, fields: list[Tensor]) -> None:
        """Fill in the fields of the queries, from counts at their hits and kept negatives."""
        if self.close:
            self.decide()
        sides, starts, order = self.sides, self.hits.starts.cpu(), self.sides.gallery.order.cpu()
        counts, opened = torch.from_numpy(self.state.counts), torch.from_numpy(self.state.open)
        values, rows_of, all_relevant = (
            part.cpu() for part in (self.hits.values, self.hits.rows, self.hits.relevant)
        )
        width = longest(starts) + self.kept.items.shape[1] + 1
        for rows in slices(len(all_relevant), max(1, CELLS // width)):
            ends, relevant = starts[rows.start : rows.stop + 1], all_relevant[rows]
            own = padded(ends, values, -torch.inf)
            own_items = order[padded(ends, rows_of, 0)]
            ahead = padded(ends, counts, 0).cumsum(dim=1)
            first = torch.zeros_like(relevant)
            if own.shape[1]:
                first = torch.where(relevant > 0, 1 + ahead[:, 0], 0)
            closed = torch.arange(own.shape[1]) >= opened[rows, None]
            ahead[closed] = len(order)  # beyond the first M
            lists = own, own_items, ahead, *self.kept_negatives(rows)
            rest = settle(*lists, self.neighbors, euclidean=sides.euclidean)
            positions = sides.queries.order[self.part][rows].cpu()
            for column, value in zip(fields, (first, relevant, *rest), strict=True):
                column[positions] = value

    def kept_negatives(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Similarities (T, W), best first, and positions of the negatives that queries keep."""
        sizes, items, products = (torch.from_numpy(part[rows]) for part in self.kept)
        values = torch.full(items.shape, -torch.inf, dtype=torch.float64)
        if self.neighbors:
            used = torch.arange(items.shape[1]) < sizes[:, None]
            products = products.masked_fill(~used, -torch.inf)
            best = products.topk(min(self.neighbors, items.shape[1])).values
            used &= products >= best[:, -1:] - self.sides.margin
            queries = used.nonzero()[:, 0] + rows.start + self.part.start
            values[used] = self.sides.similarities(queries, items[used].long())
        values, at = values.sort(dim=1, descending=True)
        found = items.long().gather(1, at).masked_fill(values.isneginf(), 0)
        positions = self.sides.gallery.order.cpu()[found]
        return order_ties(values, positions, euclidean=self.sides.euclidean)


def scan_on_device(
    products: Tensor, limits: list[Array], first: tuple[int, int], _: Buffers
) -> Found:
    """Do what `scan_tile` does, with torch alone."""
    counts, pairs, values = [], [], []
    for table, limit, start in zip(
        (products, products.T), limits, (first, first[::-1]), strict=False
    ):
        sure, floor, listed = torch.from_numpy(limit[:, :, None]).to(table.device)
        counts.append((table > sure).sum(dim=1).cpu().numpy())
        found = (((table >= floor) & (table <= sure)) | (table >= listed)).nonzero()
        values.append(table[found[:, 0], found[:, 1]].cpu().numpy())
        pairs.append((found + found.new_tensor(start)).T.int().cpu().numpy())
    return counts, np.concatenate(pairs, axis=1), np.concatenate(values)


def scan_on_cpu(
    products: Tensor, limits: list[Array], first: tuple[int, int], to: Buffers
) -> Found:
    """Call `scan_tile`."""
    none = np.full((3, products.shape[1]), np.inf, np.float32)
    counts = [np.zeros(size, np.int32) for size in products.shape]
    rows, columns = [*limits, none][:2]
    given = products.numpy(), rows, columns, first[0], first[1]
    size = scan_tile(*given, counts[0], counts[1], to.pairs, to.values)
    return counts[: len(limits)], to.pairs, to.values[:size]


@compiled
def scan_tile(
    products: Array,
    row_limits: Array,
    column_limits: Array,
    first_row: int,
    first_column: int,
    row_counts: Array,
    column_counts: Array,
    pairs: Array,
    values: Array,
) -> int:
    """Count the products (T, U) that precede all hits, for rows and for columns. List others from
    an open hit upwards, and those that may be neighbors, as (query, item); return their number.

    Limits are (3, T) and (3, U). Rows and columns are numbered from `first_row` and `first_column`.
    """
    sures, floors, lists = column_limits[0], column_limits[1], column_limits[2]
    size = 0
    flags = np.zeros(-(-products.shape[1] // 8) * 8, np.uint8)
    words = flags.view(np.uint64)
    for r in range(products.shape[0]):
        row, above = products[r], np.int32(0)
        sure, floor, listed = row_limits[0, r], row_limits[1, r], row_limits[2, r]
        for c in range(row.size):  # branches would keep it from being vectorised
            x = row[c]
            above += np.int32(x > sure)
            column_counts[c] += np.int32(x > sures[c])
            open_hit = ((x >= floor) & (x <= sure)) | ((x >= floors[c]) & (x <= sures[c]))
            flags[c] = np.uint8(open_hit | (x >= listed) | (x >= lists[c]))
        row_counts[r] = above
        for word in range(words.size):
            if words[word]:
                for c in range(8 * word, min(8 * word + 8, row.size)):
                    x = row[c]
                    if (x >= floor and x <= sure) or x >= listed:
                        pairs[0, size], pairs[1, size] = first_row + r, first_column + c
                        values[size] = x
                        size += 1
                    if (x >= floors[c] and x <= sures[c]) or x >= lists[c]:
                        pairs[0, size], pairs[1, size] = first_column + c, first_row + r
                        values[size] = x
                        size += 1
    return size


@compiled
def count(state: Counts, pairs: Array, values: Array, scale: float, width: float, most: int) -> int:
    """Count each listed negative at the first hit that it precedes, and close the hits that are no
    longer among the first M. Move the pairs that float32 cannot decide to the front and return
    their number; a query with more than `most` of them is left to float64."""
    close = 0
    for k in range(values.size):
        query, x = pairs[0, k], values[k]
        if not state.limits[1, query] <= x <= state.limits[0, query]:
            continue
        first = state.starts[query]
        hit, past = first, first + state.open[query]
        while hit < past:
            middle = (hit + past) // 2
            if (x + width) / scale >= state.edges[middle]:
                past = middle
            else:
                hit = middle + 1
        if hit == first + state.open[query]:
            continue
        if (x - width) / scale < state.edges[hit]:
            pairs[0, close], pairs[1, close] = query, pairs[1, k]
            close += 1
            state.close[query] += 1
            if state.close[query] > most:
                state.late[query] = True
                state.limits[:, query] = np.inf
            continue
        state.counts[hit] += 1
        state.ahead[query] += 1
        while (
            state.open[query] > 1 and state.ahead[query] + state.open[query] > state.wanted[query]
        ):
            state.open[query] -= 1
            last = first + state.open[query]
            state.ahead[query] -= state.counts[last]
            state.limits[1, query] = np.float32(state.edges[last - 1] * scale - width)
    return close


@compiled
def keep(
    limits: Array,
    late: Array,
    kept: Kept,
    pairs: Array,
    values: Array,
    neighbors: int,
    margin: float,
) -> None:
    """Keep the listed negatives that may be neighbors. Where there are too many, drop those that
    cannot be among the K best of those seen, or equal to one of them."""
    room = kept.items.shape[1]
    for k in range(values.size):
        query = pairs[0, k]
        if kept.sizes[query] == room:
            items, products = kept.items[query], kept.products[query]
            reached, beyond = np.float32(LOWEST), np.float32(-LOWEST)
            for _ in range(24):  # halve the range in which the K-th best product is
                middle, above = np.float32(0.5) * (reached + beyond), 0
                for i in range(room):
                    above += products[i] >= middle
                if above >= neighbors:
                    reached = middle
                else:
                    beyond = middle
            floor, size = reached - np.float32(margin), 0
            for i in range(room):
                if products[i] >= floor:
                    items[size], products[size] = items[i], products[i]
                    size += 1
            kept.sizes[query], limits[2, query] = size, floor
            if 2 * size > room + neighbors:  # mostly ties
                late[query], kept.sizes[query], limits[:, query] = True, 0, np.inf
        if values[k] >= limits[2, query]:
            kept.items[query, kept.sizes[query]] = pairs[1, k]
            kept.products[query, kept.sizes[query]] = values[k]
            kept.sizes[query] += 1
