"""Exact ranking for about half the cost of a float32 product of all pairs.

1. Items are sorted by class. The similarities of each query's own class, the hits, are computed
   in float64 (`own_class`).
2. All pairs are multiplied in float32, one tile at a time (`compare`). In a search of a set in
   itself each product serves both of its items. Each negative is counted at the best hit that it
   precedes. A hit is open while it may be among the first M = max(R, K); negatives below the last
   open hit are skipped, and there are soon few others (`scan_tile`, `count_open`). With a list of
   K neighbors, the negatives that may be on it are kept (`keep`).
3. What float32 cannot decide is decided in float64 (`similarity`).

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

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from proxy_core.distances import directions
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
Integer = int | np.int64
Found = tuple[list[Array], Array, Array]  # counts; queries and items (2, F), products (F,)

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

    vectors: Tensor  # (N, D) float32 or float64, by position
    lengths: Tensor  # (N,) float64, by position: vectors are divided by them
    order: Tensor  # (N,) int64: position of each row
    labels: Tensor  # (N,) int64, by row, ascending
    ids: Tensor  # (N,) int64, by row

    def exact(self, rows: Tensor | slice) -> Tensor:
        """The chosen rows (..., D) in float64, of unit length where cosines are compared."""
        positions = self.order[rows]
        return self.vectors[positions].double() / self.lengths[positions].unsqueeze(-1)


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


@dataclass(frozen=True, eq=False)
class Hits:
    """Positives of P queries, best first, one query after the other; -inf for the query itself."""

    starts: Tensor  # (P + 1,) int64: first entry of each query
    values: Tensor  # float64 similarities
    rows: Tensor  # int64 rows of the gallery
    relevant: Tensor  # (P,) int64: R


class Search(NamedTuple):
    """State of P queries, on the CPU, for compiled loops. E are the entries of `Hits`."""

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
    sizes: Array  # (P,) int64: kept negatives, which may be neighbors
    items: Array  # (P, W) int32: their rows in the gallery
    products: Array  # (P, W) float32


class Rules(NamedTuple):
    """What compiled loops need to know of both sides, on the CPU."""

    left: tuple[Array, Array, Array]  # vectors, the position of query 0 and so on, lengths
    right: tuple[Array, Array, Array]  # vectors, the position of each row, lengths
    euclidean: bool
    scale: float
    width: float
    margin: float
    neighbors: int
    most: int  # negatives of a query that float64 decides one by one


def compiled(function: Function) -> Function:
    """Compile a loop that runs without Python's lock, and cache it if the folder is writable."""
    sums = {"reassoc", "contract"}  # the rest of fastmath would forbid infinities
    try:
        return cast(Function, njit(cache=True, nogil=True, fastmath=sums)(function))
    except RuntimeError:  # no folder for the cache
        return cast(Function, njit(nogil=True, fastmath=sums)(function))


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
        late = [
            search_part(sides, part, neighbors, of_all(progress, part, len(queries[0])), fields)
            for part in parts(sides.own, neighbors)
        ]
    left = torch.cat(late).to(queries[0].device)
    if len(left):
        some = queries[0][left], queries[1][left], queries[2][left]
        exact = rank_in_float64(some, gallery, neighbors, progress, euclidean=euclidean)
        for column, values in zip(fields, exact, strict=True):
            column[left.cpu()] = values
    return fields


@contextmanager
def full_precision_products() -> Iterator[None]:
    """Multiply float32 in full precision whatever PyTorch's settings allow; restore them."""
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # since torch 2.9
        kinds: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
        before = [kind.matmul.fp32_precision for kind in kinds]
        change = [partial(setattr, kind.matmul, "fp32_precision") for kind in kinds]
        full = "ieee"
    else:
        before, full = [torch.get_float32_matmul_precision()], "highest"
        change = [partial(torch.set_float32_matmul_precision)]
    try:
        for call in change:
            call(full)
        yield
    finally:
        for call, value in zip(change, before, strict=True):
            call(value)


def of_all(progress: Progress | None, part: slice, queries: int) -> Progress:
    """Progress of a part of the queries, reported as progress of all."""

    def report(done: int, total: int) -> None:
        if progress:
            progress(part.start * total + (part.stop - part.start) * done, queries * total)

    return report


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


def search_part(
    sides: Sides, part: slice, neighbors: int, progress: Progress, fields: list[Tensor]
) -> Tensor:
    """Fill in the fields for a part of the queries; return the positions of those left over."""
    hits = own_class(sides, part)
    state, rules = start(hits, sides, neighbors), rules_of(sides, part, neighbors)
    compare(state, rules, sides, part, progress)
    finish(state, rules, sides, part, hits, fields)
    return sides.queries.order[part].cpu()[torch.from_numpy(state.late)]


def rules_of(sides: Sides, part: slice, neighbors: int) -> Rules:
    """Make the rules for a part of the queries."""
    left, right = (
        [column.cpu().numpy() for column in (items.vectors, items.order, items.lengths)]
        for items in (sides.queries, sides.gallery)
    )
    most = 32 + len(sides.gallery.order) // 256
    numbers = sides.euclidean, sides.scale, sides.width, sides.margin, neighbors, most
    return Rules((left[0], left[1][part], left[2]), (right[0], right[1], right[2]), *numbers)


# Both sides, sorted by class


def arrange(queries: Side, gallery: Side, *, euclidean: bool) -> Sides:
    """Sort both sides by class and make their float32 operands."""
    items = sort_items(gallery, euclidean=euclidean)
    others = items if queries is gallery else sort_items(queries, euclidean=euclidean)
    size, dim = items.vectors.shape
    if euclidean:
        center, radius = center_and_radius(others.vectors, items.vectors)
        left = distance_operands(others, center, radius, left=True)
        right = distance_operands(items, center, radius, left=False)
        scale, factor, dim = 0.5 / radius**2, 2, dim + 2
    else:
        right = cosine_operands(items)
        left = right if others is items else cosine_operands(others)
        scale, factor = 1.0, 1
    width = factor * 1.01 * (dim + 8) * UNIT / (1 - dim * UNIT) + dim * 2.0**-100
    margin = 2 * width + factor * 1.01 * (size + 2) * TIE
    own = torch.stack(
        [torch.searchsorted(items.labels, others.labels, right=end) for end in (False, True)], dim=1
    )
    return Sides(
        others, items, left, right, own, scale, width, margin, euclidean, ids_clash(others, items)
    )


def sort_items(side: Side, *, euclidean: bool) -> Items:
    """Sort the items of a checked side by class."""
    vectors, labels, ids = side
    labels, order = labels.sort(stable=True)
    lengths = torch.ones(len(vectors), dtype=torch.float64, device=vectors.device)
    if vectors.is_floating_point() and vectors.dtype != torch.float64:
        values = vectors.float().contiguous()  # holds half precision exactly
        if not euclidean:
            for rows in slices(len(values), max(1, CHUNK // values.shape[1])):
                torch.linalg.vector_norm(
                    values[rows], dim=1, dtype=torch.float64, out=lengths[rows]
                )
            lengths.masked_fill_(lengths == 0, 1.0)
    else:
        values = (vectors.double() if euclidean else directions(vectors)).contiguous()
    return Items(values, lengths, order, labels, ids[order])


def cosine_operands(items: Items) -> Tensor:
    """Unit vectors (N, D) in float32, by row."""
    out = torch.empty(items.vectors.shape, dtype=torch.float32, device=items.vectors.device)
    for rows in slices(len(out), max(1, CHUNK // out.shape[1])):
        out[rows] = items.exact(rows)
    return out


def distance_operands(items: Items, center: Tensor, radius: float, *, left: bool) -> Tensor:
    """Rows (N, D + 2) in float32 whose products are minus half a squared distance / radius**2.

    u.v - |u|^2 / 2 - |v|^2 / 2 = -|u - v|^2 / 2, with two more dimensions for the two squares.
    """
    size, dim = items.vectors.shape
    out = torch.ones(size, dim + 2, dtype=torch.float32, device=items.vectors.device)
    for rows in slices(size, max(1, CHUNK // dim)):
        vectors = (items.exact(rows) - center) / radius
        out[rows, :-2] = vectors.float()
        out[rows, -2 if left else -1] = (-vectors.square().sum(dim=1) / 2).float()
    return out


def ids_clash(queries: Items, gallery: Items) -> bool:
    """Report whether one id has several labels, so that a negative may be the query itself."""
    ids, order = torch.cat([queries.ids, gallery.ids]).sort()
    labels = torch.cat([queries.labels, gallery.labels])[order]
    bounds = torch.cat([ids.new_ones(1).bool(), ids[1:] != ids[:-1]]).cumsum(dim=0) - 1
    least = labels.new_empty(int(bounds[-1]) + 1)
    least[bounds] = labels  # any one of each id
    return bool((least[bounds] != labels).any())


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


def start(hits: Hits, sides: Sides, neighbors: int) -> Search:
    """Make the state of a part of the queries once their hits are known."""
    starts, values, relevant = (part.cpu() for part in (hits.starts, hits.values, hits.relevant))
    some = (relevant > 0).nonzero().flatten()
    edge = edges(values, euclidean=sides.euclidean)
    limits = torch.full((3, len(relevant)), torch.inf, dtype=torch.float32)
    limits[0, some] = (edge[starts[some]] * sides.scale + sides.width).float()
    limits[1, some] = (edge[starts[some] + relevant[some] - 1] * sides.scale - sides.width).float()
    limits[2] = LOWEST if neighbors else torch.inf
    width = kept_negatives(neighbors, len(sides.gallery.order))
    wanted = relevant.clamp(min=neighbors).numpy()
    none = [np.zeros_like(wanted) for _ in range(3)]
    late = np.zeros(len(wanted), np.bool_)
    kept = [np.empty((len(wanted), width), dtype) for dtype in (np.int32, np.float32)]
    opened = relevant.numpy().copy()
    counts = np.zeros(len(values), np.int64)
    columns = starts.numpy(), edge.numpy(), counts, opened, none[0], wanted, limits.numpy()
    return Search(*columns, none[1], late, none[2], kept[0], kept[1])


def kept_negatives(neighbors: int, gallery: int) -> int:
    """How many negatives a query keeps: K, and some more so that they are sorted out rarely."""
    return min(2 * neighbors + 64, gallery) if neighbors else 0


# The pass over all pairs


def compare(state: Search, rules: Rules, sides: Sides, part: slice, progress: Progress) -> None:
    """Compare the queries of a part with the gallery, tile by tile."""
    queries, gallery = part.stop - part.start, len(sides.gallery.order)
    symmetric = sides.queries is sides.gallery and queries == gallery
    kind = sides.left.device.type
    tile = TILE["cpu" if kind == "cpu" else "cuda"]
    threads = torch.get_num_threads() if kind == "cpu" else 1
    buffers: SimpleQueue[Buffers] = SimpleQueue()
    for _ in range(threads):
        buffers.put(Buffers(tile, sides.left.device))
    tasks = [
        (rows, columns)
        for columns in growing(gallery, tile)
        for rows in growing(queries, tile)
        if not symmetric or rows.start <= columns.start
    ]
    context = state, rules, sides, part.start, threading.Lock(), buffers
    work = partial(compare_tile, *context, symmetric=symmetric)
    for done, _ in enumerate(in_threads(work, tasks, threads), start=1):
        progress(done, len(tasks))


def growing(size: int, tile: int) -> Iterator[slice]:
    """Slices of 0 to `size` that are small at first, so that limits rise before much is listed."""
    first, step = 0, min(32, tile)
    while first < size:
        yield slice(first, min(first + step, size))
        first, step = first + step, min(4 * step, tile)


def in_threads(work: Callable[[Task], None], tasks: Iterable[Task], threads: int) -> Iterator[None]:
    """Do all the work in threads that multiply alone; drop what is waiting after an error."""
    if threads == 1:
        yield from map(work, tasks)
        return
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    left = iter(tasks)
    try:
        waiting = deque(pool.submit(work, task) for task in islice(left, WAITING * threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, task) for task in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


class Buffers:
    """Memory of one thread for the products of a tile and for the pairs that are listed."""

    def __init__(self, tile: int, device: torch.device) -> None:
        self.products = torch.empty(tile * tile, dtype=torch.float32, device=device)
        size = 2 * tile * tile if device.type == "cpu" else 0
        self.pairs, self.values = np.empty((2, size), np.int32), np.empty(size, np.float32)


def compare_tile(
    state: Search,
    rules: Rules,
    sides: Sides,
    start: int,
    lock: threading.Lock,
    buffers: "SimpleQueue[Buffers]",
    task: Task,
    *,
    symmetric: bool,
) -> None:
    """Compare a tile's queries with its items and, off the diagonal of a symmetric search, the
    items as queries with the queries. Query 0 is row `start`."""
    queries, items = task
    both = symmetric and queries.start < items.start
    if state.late[queries].all() and not (both and not state.late[items].all()):
        return
    buffer = buffers.get()
    try:
        rows = slice(start + queries.start, start + queries.stop)
        products = multiply(sides, rows, items, buffer.products)
        scan = scan_on_cpu if products.device.type == "cpu" else scan_on_device
        counts, pairs, values = scan(state.limits, sides.own[rows], task, products, both, buffer)
        with lock:
            for part, count in zip((queries, items), counts, strict=False):
                count_before_all(state, part.start, count)
            count_open(state, rules, pairs, values)
            if rules.neighbors:
                keep(state, rules, pairs, values)
    finally:
        buffers.put(buffer)  # also after an error, as others wait for it


def multiply(sides: Sides, queries: slice, items: slice, memory: Tensor) -> Tensor:
    """Products (T, U) of rows; -inf where the item is the query."""
    left, right = sides.left[queries], sides.right[items]
    products = memory[: len(left) * len(right)].view(len(left), len(right))
    torch.mm(left, right.T, out=products)
    if sides.clashing:
        same = sides.queries.ids[queries, None] == sides.gallery.ids[items]
        products.masked_fill_(same, -torch.inf)
    return products


def scan_on_device(
    limits: Array, own: Tensor, task: Task, products: Tensor, both: bool, _: Buffers
) -> Found:
    """Do what `scan_tile` does, with torch alone."""
    rows = torch.arange(task[1].start, task[1].stop, device=own.device)
    products.masked_fill_((rows >= own[:, :1]) & (rows < own[:, 1:]), -torch.inf)
    counts, pairs, values = [], [], []
    for table, queries, items in ((products, *task), (products.T, task[1], task[0]))[: 1 + both]:
        sure, floor, listed = torch.from_numpy(limits[:, queries, None]).to(own.device)
        counts.append((table > sure).sum(dim=1).cpu().numpy())
        found = (((table >= floor) & (table <= sure)) | (table >= listed)).nonzero()
        values.append(table[found[:, 0], found[:, 1]].cpu().numpy())
        first = found.new_tensor([queries.start, items.start])
        pairs.append((found + first).T.int().cpu().numpy())
    return counts, np.concatenate(pairs, axis=1), np.concatenate(values)


def scan_on_cpu(
    limits: Array, own: Tensor, task: Task, products: Tensor, both: bool, to: Buffers
) -> Found:
    """Call `scan_tile`."""
    rows, columns = limits[:, task[0]].copy(), limits[:, task[1]].copy()  # contiguous
    if not both:
        columns = np.full((3, products.shape[1]), np.inf, np.float32)
    counts = [np.zeros(size, np.int32) for size in products.shape]
    first = task[0].start, task[1].start
    given = products.numpy(), own.numpy(), rows, columns, first
    size = scan_tile(*given, counts[0], counts[1], to.pairs, to.values)
    return counts[: 1 + both], to.pairs[:, :size], to.values[:size]


@compiled
def scan_tile(
    products: Array,
    own: Array,
    row_limits: Array,
    column_limits: Array,
    first: tuple[int, int],
    row_counts: Array,
    column_counts: Array,
    pairs: Array,
    values: Array,
) -> int:
    """Count the products (T, U) that precede all hits, for rows and for columns. List others from
    an open hit upwards, and those that may be neighbors, as (query, item); return their number.

    Limits are (3, T) and (3, U). `first` holds the number of the first row and of the first column.
    Items of a row's own class, from own[:, 0] to own[:, 1], are not negatives.
    """
    sures, floors, lists = column_limits[0], column_limits[1], column_limits[2]
    size = 0
    flags = np.zeros(-(-products.shape[1] // 8) * 8, np.uint8)
    words = flags.view(np.uint64)
    for r in range(products.shape[0]):
        row, above = products[r], np.int32(0)
        sure, floor, listed = row_limits[0, r], row_limits[1, r], row_limits[2, r]
        for c in range(max(own[r, 0] - first[1], 0), min(own[r, 1] - first[1], row.size)):
            row[c] = -np.inf
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
                        pairs[0, size], pairs[1, size] = first[0] + r, first[1] + c
                        values[size] = x
                        size += 1
                    if (x >= floors[c] and x <= sures[c]) or x >= lists[c]:
                        pairs[0, size], pairs[1, size] = first[1] + c, first[0] + r
                        values[size] = x
                        size += 1
    return size


@compiled
def count_before_all(state: Search, first: int, counts: Array) -> None:
    """Add counts (T,) of negatives that precede all hits, for the queries from `first`."""
    for k in range(counts.size):
        if counts[k] and state.open[first + k]:
            add(state, first + k, 0, np.int64(counts[k]))


@compiled
def count_open(state: Search, rules: Rules, pairs: Array, values: Array) -> None:
    """Count each listed negative at the first hit that it precedes."""
    for k in range(values.size):
        query, item, x = np.int64(pairs[0, k]), np.int64(pairs[1, k]), values[k]
        if state.limits[1, query] <= x <= state.limits[0, query]:
            first, past = state.starts[query], state.starts[query] + state.open[query]
            hits = state.edges[first:past]
            hit = first_preceded(hits, (x + rules.width) / rules.scale)
            if hit != first_preceded(hits, (x - rules.width) / rules.scale):
                hit = first_preceded(hits, similarity(rules, query, item))
                state.close[query] += 1
                if state.close[query] > rules.most:
                    give_up(state, query)
            if hit < hits.size:
                add(state, query, hit, 1)
                if state.limits[1, query] < np.inf:
                    last = state.edges[first + state.open[query] - 1]
                    state.limits[1, query] = np.float32(last * rules.scale - rules.width)


@compiled
def add(state: Search, query: Integer, hit: Integer, count: Integer) -> None:
    """Count negatives before a hit, and close the hits that are no longer among the first M."""
    start = state.starts[query]
    state.counts[start + hit] += count
    state.ahead[query] += count
    while state.open[query] > 1 and state.ahead[query] + state.open[query] > state.wanted[query]:
        state.open[query] -= 1
        state.ahead[query] -= state.counts[start + state.open[query]]


@compiled
def first_preceded(edges: Array, value: float) -> int:
    """Index of the first of descending edges (M,) that a value reaches; M if it reaches none."""
    low, high = 0, edges.size
    while low < high:
        middle = (low + high) // 2
        if value >= edges[middle]:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def give_up(state: Search, query: Integer) -> None:
    """Leave a query to float64."""
    state.late[query] = True
    state.limits[:, query] = np.inf
    state.sizes[query] = 0


@compiled
def keep(state: Search, rules: Rules, pairs: Array, values: Array) -> None:
    """Keep the listed negatives that may be neighbors; sort out where there are too many."""
    room = state.items.shape[1]
    for k in range(values.size):
        query = np.int64(pairs[0, k])
        if state.sizes[query] == room:
            sort_out(state, rules, query)
            if 2 * state.sizes[query] > room + rules.neighbors:  # mostly ties
                give_up(state, query)
        if values[k] >= state.limits[2, query]:
            state.items[query, state.sizes[query]] = pairs[1, k]
            state.products[query, state.sizes[query]] = values[k]
            state.sizes[query] += 1


@compiled
def sort_out(state: Search, rules: Rules, query: Integer) -> None:
    """Drop negatives that cannot be among the K best of those seen, or equal to one of them."""
    size, kept = state.sizes[query], 0
    items, products = state.items[query], state.products[query]
    reached, beyond = np.float32(LOWEST), np.float32(-LOWEST)
    for _ in range(24):  # halve the range in which the K-th best product is
        middle, above = np.float32(0.5) * (reached + beyond), 0
        for k in range(size):
            above += products[k] >= middle
        if above >= rules.neighbors:
            reached = middle
        else:
            beyond = middle
    floor = reached - np.float32(rules.margin)
    for k in range(size):
        if products[k] >= floor:
            items[kept], products[kept] = items[k], products[k]
            kept += 1
    state.sizes[query], state.limits[2, query] = kept, floor


@compiled
def similarity(rules: Rules, query: Integer, item: Integer) -> Any:
    """Product, or minus the squared distance, of a query and a row of the gallery in float64."""
    (left, rows, left_lengths), (right, columns, right_lengths) = rules.left, rules.right
    row, column, total = rows[query], columns[item], 0.0
    x, y = left[row], right[column]
    if rules.euclidean:
        for d in range(x.size):
            difference = np.float64(x[d]) - np.float64(y[d])
            total -= difference * difference
    else:
        for d in range(x.size):
            total += np.float64(x[d]) * np.float64(y[d])
    return total / (left_lengths[row] * right_lengths[column])


# Results


@compiled
def kept_similarities(state: Search, rules: Rules, first: int, table: Array) -> None:
    """Write the similarities (T, W) of what the queries from `first` keep, once sorted out."""
    for row in range(len(table)):
        if state.sizes[first + row] > rules.neighbors:
            sort_out(state, rules, first + row)
        for k in range(state.sizes[first + row]):
            item = np.int64(state.items[first + row, k])
            table[row, k] = similarity(rules, first + row, item)


def finish(
    state: Search, rules: Rules, sides: Sides, part: slice, hits: Hits, fields: list[Tensor]
) -> None:
    """Fill in the fields of a part of the queries, from counts at their hits and kept negatives."""
    starts, order = hits.starts.cpu(), sides.gallery.order.cpu()
    counts = torch.from_numpy(state.counts)
    values, rows_of = hits.values.cpu(), hits.rows.cpu()
    neighbors, (_, kept) = rules.neighbors, state.items.shape
    for rows in slices(len(state.wanted), max(1, CELLS // (longest(starts) + kept + 1))):
        ends = starts[rows.start : rows.stop + 1]
        own = padded(ends, values, -torch.inf)
        own_items = order[padded(ends, rows_of, 0)]
        ahead = padded(ends, counts, 0).cumsum(dim=1)
        relevant, first = hits.relevant[rows].cpu(), torch.zeros(len(own), dtype=torch.int64)
        if own.shape[1]:
            first = torch.where(relevant > 0, 1 + ahead[:, 0], 0)
        opened = torch.from_numpy(state.open[rows])[:, None]
        ahead[torch.arange(own.shape[1]) >= opened] = len(order)  # beyond the first M
        misses = torch.full((len(own), kept), -torch.inf, dtype=torch.float64)
        if neighbors:
            kept_similarities(state, rules, rows.start, misses.numpy())
        misses, at = misses.sort(dim=1, descending=True)
        found = torch.from_numpy(state.items[rows]).long().gather(1, at)
        others = order[found.masked_fill(misses.isneginf(), 0)]
        misses, others = order_ties(misses, others, euclidean=sides.euclidean)
        lists = own, own_items, ahead, misses, others
        rest = settle(*lists, neighbors, euclidean=sides.euclidean)
        positions = sides.queries.order[part][rows].cpu()
        for column, value in zip(fields, (first, relevant, *rest), strict=True):
            column[positions] = value
