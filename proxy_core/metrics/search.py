"""Exact ranking for about half the cost of a float32 product of all pairs.

1. Items are sorted by class. The similarities of each query's own class, the hits, are computed
   in float64 (`own_class`).
2. All pairs are multiplied in float32, one tile at a time (`compare`). In a search of a set in
   itself each product serves both of its items. Every query counts the negatives that are more
   similar than its best hit, which gives the rank of that hit, and keeps the negatives that may be
   among its M = max(R, K) best items, which give everything else. Nothing has to be sorted.
3. Whatever float32 cannot decide is computed again in float64 (`reduce`, `finish`).

Error bound. Let u = 2**-24 and let x, y be unit vectors. The operands are x (1 + a) and y (1 + b)
with |a|, |b| <= u in every dimension. A sum of D products in any order, fused or not, is off by at
most D u / (1 - D u) times the sum of |x_d y_d| (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1), and that sum is at most |x| |y| = 1. So a product is off by less than
1.01 (D + 2) u / (1 - D u). Thresholds are rounded to float32 too, hence `width` has (D + 8) u, and
2**-100 per dimension for underflow. For distances the sum has D + 2 products and is at most 2. A
product within `width` of a threshold is decided in float64.

The kept negatives are complete above the M-th best product minus `margin`: twice the width, and one
tie per item, since items that are equal step by step are listed in the order of the gallery.

First floors are estimated from a sample of the gallery, and checked afterwards. A query is left to
whole rows in float64 if its estimate was too high, if too many of its pairs are close, as in a
collapsed embedding, or if it wants more than a sixteenth of the gallery.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar, cast

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
    misses_ahead,
    order_ties,
    pair_similarities,
    rank_in_float64,
    settle,
)

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., object])
Pairs = tuple[Tensor, Tensor, Tensor]  # queries, gallery rows, products
Task = tuple[slice, slice]  # queries of a part, and rows of the gallery

TILE = {"cpu": 768, "cuda": 4096}  # the products of a tile stay in the cache of a CPU
SAMPLE = 1024  # most gallery items from which first floors are estimated
EVENTS = 2**20  # listed pairs that are collected before they are reduced
MEMORY = 2**28  # bytes for what is kept of the queries that are searched together
CELLS = 2**18  # values of a padded table
CHUNK = 2**19  # numbers that are converted to float64 together
WAITING = 8  # tiles per thread in the queue
LARGE = 16  # queries that want more than this part of the gallery are left to float64
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

    def similarities(self, queries: Tensor, items: Tensor) -> Tensor:
        """Similarities (M,) in float64 of pairs of rows (M,) and (M,)."""
        if queries.device.type == "cpu":
            left, right = self.queries.order[queries], self.gallery.order[items]
            sums = np.empty(len(left))
            vectors = self.queries.vectors.numpy(), self.gallery.vectors.numpy()
            sum_pairs(*vectors, left.numpy(), right.numpy(), self.euclidean, sums)
            lengths = self.queries.lengths[left] * self.gallery.lengths[right]
            return torch.from_numpy(sums) / lengths
        size = max(1, 8 * CHUNK // self.left.shape[1])
        parts = zip(torch.split(queries, size), torch.split(items, size), strict=True)
        rows = ((self.queries.exact(q)[:, None], self.gallery.exact(i)[:, None]) for q, i in parts)
        found = [pair_similarities(*pair, euclidean=self.euclidean) for pair in rows]
        return torch.cat(found).flatten()


@dataclass(frozen=True, eq=False)
class Hits:
    """Positives of P queries, best first, one query after the other; -inf for the query itself."""

    starts: Tensor  # (P + 1,) int64: first entry of each query
    values: Tensor  # float64 similarities
    rows: Tensor  # int64 rows of the gallery
    relevant: Tensor  # (P,) int64: R


@dataclass(eq=False)
class Search:
    """State of P queries. Pairs are listed as query (0 to P - 1), gallery row and product."""

    first: int  # row of query 0
    wanted: Tensor  # (P,) int64: M
    edge: Tensor  # (P,) float64: lowest similarity of a negative that precedes the first hit
    limits: Tensor  # (2, P) float32: the product of that edge, then the floor: products below it
    # are not wanted; both infinite for queries that are left to float64
    ahead: Tensor  # (P,) int64: negatives that precede the first hit
    close: Tensor  # (P,) int64: pairs that were too close to the edge for float32
    kept: Pairs  # pairs by query, best first; hits have row -1
    late: Tensor  # (P,) bool: left to float64
    new: list[Pairs] = field(default_factory=list)  # not yet reduced
    listed: int = 0  # pairs in `new`
    lock: threading.Lock = field(default_factory=threading.Lock)

    def give_up(self, queries: Tensor) -> None:
        """Leave the queries of a mask (P,) to float64."""
        self.late |= queries
        self.limits[:, queries] = torch.inf


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
    left = torch.cat(late)
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
    ends = (40 * (own[:, 1] - own[:, 0]).clamp(min=neighbors) + 64).cumsum(dim=0).cpu()
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
    state = start(sides, part, hits, neighbors)
    compare(state, sides, part, progress)
    reduce(state, sides, final=True)
    finish(state, sides, part, hits, neighbors, fields)
    return sides.queries.order[part][state.late]


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
    sizes = (own[:, 1] - own[:, 0]).clone()
    sizes[sizes * LARGE > len(sides.gallery.order)] = 0
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


def start(sides: Sides, part: slice, hits: Hits, neighbors: int) -> Search:
    """Make the state of a part of the queries once their hits are known."""
    wanted = hits.relevant.clamp(min=neighbors)
    sizes = sides.own[part, 1] - sides.own[part, 0]
    late = sizes.clamp(min=neighbors) * LARGE > len(sides.gallery.order)
    some = (hits.relevant > 0).nonzero().flatten()
    edge = torch.full_like(wanted, torch.inf, dtype=torch.float64)
    edge[some] = edges(hits.values[hits.starts[some]], euclidean=sides.euclidean)
    products = (hits.values * sides.scale).float()
    floor = first_floors(sides, part, hits, products, wanted)
    queries = torch.arange(len(wanted), dtype=torch.int32, device=wanted.device)
    queries = queries.repeat_interleave(hits.starts[1:] - hits.starts[:-1])
    known = (products > -torch.inf).nonzero().flatten()
    kept = queries[known], torch.full_like(queries[known], -1), products[known]
    limits = torch.stack([(edge * sides.scale).float(), floor])
    ahead, close = torch.zeros_like(wanted), torch.zeros_like(wanted)
    state = Search(part.start, wanted, edge, limits, ahead, close, kept, late.clone())
    state.give_up(late)
    return state


def first_floors(sides: Sides, part: slice, hits: Hits, products: Tensor, wanted: Tensor) -> Tensor:
    """Estimate for each query a product (P,) that at least M of its hits and negatives reach.

    Of the m best negatives, a sample of the share p of the gallery holds at least
    c = m p + 4 sqrt(m p) + 2 less than once in ten thousand times. So at least m negatives reach
    the c-th best of the sample. The floor is the best over all splits of M into hits and negatives.
    """
    generator, size = torch.Generator().manual_seed(0), len(sides.gallery.order)
    count = min(SAMPLE, max(256, size // 12))
    sample = torch.randperm(size, generator=generator)[:count].to(wanted.device)
    share = len(sample) / size
    need = torch.arange(int(wanted.max()) + 1, device=wanted.device)
    enough = (need * share + 4 * (need * share).sqrt() + 2).ceil().long()
    enough = enough.minimum(need).clamp(max=len(sample))
    columns = sides.right[sample].T.contiguous()
    labels, ids = sides.gallery.labels[sample], sides.gallery.ids[sample]
    floors = torch.empty(len(wanted), device=wanted.device, dtype=torch.float32)
    for rows in slices(len(wanted), SAMPLE):
        queries = slice(part.start + rows.start, part.start + rows.stop)
        table = sides.left[queries] @ columns
        table.masked_fill_(sides.queries.labels[queries, None] == labels, -torch.inf)
        if sides.clashing:
            table.masked_fill_(sides.queries.ids[queries, None] == ids, -torch.inf)
        best = table.topk(int(enough[wanted[rows].max()])).values
        best = F.pad(best, (1, 0), value=torch.inf)
        own = padded(hits.starts[rows.start : rows.stop + 1], products, -torch.inf)
        own = F.pad(own, (1, 0), value=torch.inf)
        taken = torch.arange(own.shape[1], device=wanted.device)
        others = best.gather(1, enough[(wanted[rows, None] - taken).clamp(min=0)])
        floors[rows] = torch.minimum(own, others).amax(dim=1)
    return (floors - sides.margin).clamp(min=LOWEST)


# The pass over all pairs


def compare(state: Search, sides: Sides, part: slice, progress: Progress) -> None:
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
        for columns in slices(gallery, tile)
        for rows in slices(queries, tile)
        if not symmetric or rows.start <= columns.start
    ]
    work = partial(compare_tile, state, sides, buffers, symmetric=symmetric)
    for done, _ in enumerate(in_threads(work, tasks, threads), start=1):
        progress(done, len(tasks))


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
        pairs = 2 * tile * tile if device.type == "cpu" else 0
        self.found = np.empty((2, pairs), np.int32)
        self.values = np.empty(pairs, np.float32)


def compare_tile(
    state: Search, sides: Sides, buffers: "SimpleQueue[Buffers]", task: Task, *, symmetric: bool
) -> None:
    """Compare a tile's queries with its items and, off the diagonal of a symmetric search, the
    items as queries with the queries."""
    queries, items = task
    both = symmetric and queries.start < items.start
    if state.late[queries].all() and not (both and not state.late[items].all()):
        return
    buffer = buffers.get()
    try:
        products = multiply(sides, state.first, task, buffer.products)
        scan = scan_on_cpu if products.device.type == "cpu" else scan_on_device
        own = sides.own[state.first + queries.start : state.first + queries.stop]
        counts, pairs = scan(state, own, sides.width, task, products, both, buffer)
    finally:
        buffers.put(buffer)  # also after an error, as others wait for it
    with state.lock:
        for part, count in zip((queries, items), counts, strict=False):
            state.ahead[part] += count
        state.new.append(pairs)
        state.listed += len(pairs[0])
        if state.listed > max(EVENTS, len(state.kept[0])):
            reduce(state, sides)


def multiply(sides: Sides, first: int, task: Task, memory: Tensor) -> Tensor:
    """Products (T, U) of a tile; -inf where the item is the query."""
    queries, items = slice(first + task[0].start, first + task[0].stop), task[1]
    left, right = sides.left[queries], sides.right[items]
    products = memory[: len(left) * len(right)].view(len(left), len(right))
    torch.mm(left, right.T, out=products)
    if sides.clashing:
        same = sides.queries.ids[queries, None] == sides.gallery.ids[items]
        products.masked_fill_(same, -torch.inf)
    return products


def scan_on_device(
    state: Search, own: Tensor, width: float, task: Task, products: Tensor, both: bool, _: Buffers
) -> tuple[list[Tensor], Pairs]:
    """Do what `scan_tile` does, with torch alone."""
    rows = torch.arange(task[1].start, task[1].stop, device=own.device)
    products.masked_fill_((rows >= own[:, :1]) & (rows < own[:, 1:]), -torch.inf)
    counts, pairs = [], []
    for table, queries, items in ((products, *task), (products.T, task[1], task[0]))[: 1 + both]:
        cut, floor = state.limits[:, queries, None]
        counts.append((table > cut).sum(dim=1))
        rows, columns = ((table >= floor) | ((table - cut).abs() <= width)).nonzero().T
        listed = (rows + queries.start).int(), (columns + items.start).int()
        pairs.append((*listed, table[rows, columns]))
    query, item, value = (torch.cat(column) for column in zip(*pairs, strict=True))
    return counts, (query, item, value)


def scan_on_cpu(
    state: Search, own: Tensor, width: float, task: Task, products: Tensor, both: bool, to: Buffers
) -> tuple[list[Tensor], Pairs]:
    """Call `scan_tile`."""
    limits = state.limits.numpy()
    rows, columns = limits[:, task[0]].copy(), limits[:, task[1]].copy()  # contiguous
    if not both:
        columns = np.full((2, products.shape[1]), np.inf, np.float32)
    counts = [np.zeros(size, np.int32) for size in products.shape]
    first = task[0].start, task[1].start
    given = products.numpy(), own.numpy(), rows, columns, np.float32(width), first
    size = scan_tile(*given, counts[0], counts[1], to.found, to.values)
    found = torch.from_numpy(to.found[:, :size].copy())
    values = torch.from_numpy(to.values[:size].copy())
    return [torch.from_numpy(count) for count in counts[: 1 + both]], (found[0], found[1], values)


@compiled
def scan_tile(
    products: Array,
    own: Array,
    row_limits: Array,
    column_limits: Array,
    width: np.float32,
    first: tuple[int, int],
    row_counts: Array,
    column_counts: Array,
    found: Array,
    values: Array,
) -> int:
    """Count the products (T, U) above the cuts of rows and columns; list in `found` the pairs
    that reach a floor or are within `width` of a cut, as (query, item). Return their number.

    Limits are (2, T) and (2, U): cuts and floors. `first` holds the number of the first row and of
    the first column. Items of a row's own class, from own[:, 0] to own[:, 1], are not negatives.
    """
    column_cut, column_floor = column_limits[0], column_limits[1]
    size = 0
    flags = np.zeros(-(-products.shape[1] // 8) * 8, np.uint8)
    words = flags.view(np.uint64)
    for r in range(products.shape[0]):
        row, cut, floor, above = products[r], row_limits[0, r], row_limits[1, r], np.int32(0)
        for c in range(max(own[r, 0] - first[1], 0), min(own[r, 1] - first[1], row.size)):
            row[c] = -np.inf
        for c in range(row.size):  # branches would keep it from being vectorised
            x = row[c]
            above += np.int32(x > cut)
            column_counts[c] += np.int32(x > column_cut[c])
            wanted = (x >= floor) | (x >= column_floor[c])
            flags[c] = np.uint8(
                wanted | (abs(x - cut) <= width) | (abs(x - column_cut[c]) <= width)
            )
        row_counts[r] = above
        for word in range(words.size):
            if words[word]:
                for c in range(8 * word, min(8 * word + 8, row.size)):
                    x = row[c]
                    if x >= floor or abs(x - cut) <= width:
                        found[0, size], found[1, size] = first[0] + r, first[1] + c
                        values[size] = x
                        size += 1
                    if x >= column_floor[c] or abs(x - column_cut[c]) <= width:
                        found[0, size], found[1, size] = first[1] + c, first[0] + r
                        values[size] = x
                        size += 1
    return size


@compiled
def sum_pairs(
    left: Array, right: Array, rows: Array, columns: Array, euclidean: bool, out: Array
) -> None:
    """Write products, or minus squared distances, (M,) in float64 of the chosen pairs of rows."""
    for k in range(out.size):
        x, y = left[rows[k]], right[columns[k]]
        total = 0.0
        if euclidean:
            for d in range(x.size):
                difference = np.float64(x[d]) - np.float64(y[d])
                total -= difference * difference
        else:
            for d in range(x.size):
                total += np.float64(x[d]) * np.float64(y[d])
        out[k] = total


# Decisions in float64


def reduce(state: Search, sides: Sides, *, final: bool = False) -> None:
    """Decide the new pairs that are close to the edge, drop what is not wanted, raise the floors.

    In the end, also leave those queries to float64 whose floor was too high.
    """
    queries, items, products = (
        torch.cat(part) for part in zip(state.kept, *state.new, strict=True)
    )
    decide(state, sides, *(part[len(state.kept[0]) :] for part in (queries, items, products)))
    state.new.clear()
    state.listed = 0
    keys, order = sort_key(queries, products).sort()
    numbers = torch.arange(len(state.wanted), device=keys.device)
    starts = torch.searchsorted(
        keys, sort_key(numbers, torch.full_like(state.limits[1], torch.inf))
    )
    last = starts + state.wanted - 1
    ends = F.pad(starts[1:], (0, 1), value=len(keys))
    enough = (last < ends) & (state.wanted > 0)
    reached = torch.full_like(state.limits[1], LOWEST)
    reached[enough] = products[order[last[enough]]] - sides.margin
    if final:
        state.give_up((state.wanted > 0) & (reached < state.limits[1]))
    torch.maximum(state.limits[1], reached, out=state.limits[1])
    counts = torch.searchsorted(keys, sort_key(numbers, state.limits[1]), right=True) - starts
    many = counts > 2 * state.wanted + 64
    state.give_up(many)
    counts[many] = 0
    before = (starts - offsets(counts)[:-1]).repeat_interleave(counts)
    wanted = order[before + torch.arange(len(before), device=keys.device)]
    state.kept = queries[wanted], items[wanted], products[wanted]


def decide(state: Search, sides: Sides, queries: Tensor, items: Tensor, products: Tensor) -> None:
    """Correct by float64 the count of negatives that precede the first hit."""
    cut = state.limits[0][queries]
    close = ((products - cut).abs() <= sides.width).nonzero().flatten()
    state.close += torch.bincount(queries[close], minlength=len(state.close))
    state.give_up(state.close > 32 + len(sides.gallery.order) // 256)
    close = close[~state.late[queries[close]]]
    queries, items = queries[close].long(), items[close].long()
    exact = sides.similarities(state.first + queries, items) >= state.edge[queries]
    counted = products[close] > cut[close]
    state.ahead.index_add_(0, queries, exact.long() - counted.long())


def sort_key(queries: Tensor, products: Tensor) -> Tensor:
    """Integers (F,) whose ascending order is by query, and by product from the best."""
    bits = products.view(torch.int32)
    return (queries.long() << 32) - (bits ^ ((bits >> 31) & 0x7FFFFFFF))


def finish(
    state: Search, sides: Sides, part: slice, hits: Hits, neighbors: int, fields: list[Tensor]
) -> None:
    """Fill in the fields of a part of the queries, from their hits and the kept negatives."""
    queries, items, products = state.kept
    negative = (items >= 0).nonzero().flatten()
    queries, items, products = queries[negative], items[negative].long(), products[negative]
    starts = offsets(torch.bincount(queries, minlength=len(state.wanted)))
    widest = longest(hits.starts) + longest(starts)
    for rows in slices(len(state.wanted), max(1, CELLS // max(1, widest))):
        ends = slice(rows.start, rows.stop + 1)
        own = padded(hits.starts[ends], hits.values, -torch.inf)
        own_rows = padded(hits.starts[ends], hits.rows, 0)
        rough = padded(starts[ends], products.double() / sides.scale, -torch.inf)
        others = padded(starts[ends], items, 0)
        misses = exact_misses(sides, part.start + rows.start, own, rough, others, neighbors)
        misses, order = misses.sort(dim=1, descending=True)
        others = sides.gallery.order[others.gather(1, order)]
        ahead = misses_ahead(misses, own, euclidean=sides.euclidean)
        if neighbors:
            misses, others = order_ties(misses, others, euclidean=sides.euclidean)
        relevant = hits.relevant[rows]
        first = torch.where(relevant > 0, 1 + state.ahead[rows], 0)
        lists = own, sides.gallery.order[own_rows], ahead, misses, others
        rest = settle(*lists, neighbors, euclidean=sides.euclidean)
        positions = sides.queries.order[part][rows].cpu()
        for column, values in zip(fields, (first, relevant, *rest), strict=True):
            column[positions] = values.cpu()


def exact_misses(
    sides: Sides, first: int, hits: Tensor, rough: Tensor, items: Tensor, neighbors: int
) -> Tensor:
    """Similarities (T, W) of negatives in float64, from rough ones; without a list of neighbors
    only those that float32 cannot order against the hits (T, M)."""
    close = rough > -torch.inf
    if not neighbors:
        limits = -edges(hits, euclidean=sides.euclidean)
        width = sides.width / sides.scale
        close &= torch.searchsorted(limits, -rough - width) != torch.searchsorted(
            limits, -rough + width, right=True
        )
    rows, columns = close.nonzero().T
    rough[rows, columns] = sides.similarities(first + rows, items[rows, columns])
    return rough
