"""One pass over all pairs by tiles, for `proxy_core.metrics.exact.search`."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from queue import SimpleQueue

import numpy as np
import torch

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact import room_kernels, tile_kernels
from proxy_core.metrics.exact.grid import Area, Task, area_of, tasks_of
from proxy_core.metrics.exact.own_class import Hits
from proxy_core.metrics.exact.room_kernels import Rooms
from proxy_core.metrics.exact.rows import Progress
from proxy_core.metrics.exact.sides import Sides

AHEAD = 8  # tiles that wait for a thread: all would take more memory than their products
SHARE = 256  # a query is given up when float64 had to decide more than this part of its pairs


@dataclass(frozen=True, eq=False)
class Sought:
    """What is known of P queries in the order of their classes; a miss is what is no hit.

    M = max(R, K) are wanted, hits and misses together.
    """

    hits: Hits
    rooms: Rooms  # whose floor is the last limit
    edge: Array  # (P,) float64: the least similarity of a miss that precedes the first hit
    limits: Array  # (3, P) float32: products above the first are of misses that surely precede the
    # first hit, below the second of such that surely do not, below the last of such that are not
    # wanted; of a query that is given up the last is infinite, all if too many products were close
    ahead: Array  # (P,) int64: misses that precede the first hit
    close: Array  # (P,) int64: misses that float64 had to decide

    def given_up(self) -> Array:
        """Mask (P,) of queries that are left to float64 altogether."""
        return np.isposinf(self.rooms.floor) & (self.rooms.wanted > 0)


def compare(sought: Sought, sides: Sides, part: slice, tile: int, progress: Progress) -> None:
    """Show all queries at some places the whole gallery.

    If these are all of the gallery, each pair is multiplied once and shown to both of its queries.
    """
    size, count = len(sides.gallery.order), part.stop - part.start
    alike = sides.queries is sides.gallery and count == size
    total = sum(1 for _ in tasks_of(count, size, tile, alike=alike))
    tasks = tasks_of(count, size, tile, alike=alike)
    threads = torch.get_num_threads()
    areas: SimpleQueue[Area] = SimpleQueue()
    for _ in range(threads):
        areas.put(area_of(tile, sides.rule.gallery.shape[1]))
    lock = threading.Lock()
    work = partial(compare_tile, sought, sides, part.start, alike=alike, areas=areas, lock=lock)
    for done, _ in enumerate(in_threads(work, tasks, threads), start=1):
        progress(done, total)
    room_kernels.clear_all(sought.rooms)


def in_threads(work: Callable[[Task], None], tasks: Iterable[Task], threads: int) -> Iterator[None]:
    """Do all the work in so many threads, as compiled loops run without Python's lock; what is
    waiting is dropped on an error."""
    if threads == 1:
        yield from map(work, tasks)
        return
    pool, left = ThreadPoolExecutor(threads), iter(tasks)
    try:
        waiting = deque(pool.submit(work, task) for task in islice(left, AHEAD * threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, task) for task in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def compare_tile(
    sought: Sought,
    sides: Sides,
    start: int,
    task: Task,
    *,
    alike: bool,
    areas: SimpleQueue[Area],
    lock: threading.Lock,
) -> None:
    """Show a tile to the queries of its rows and, if the columns are others, to these."""
    area = areas.get()
    try:
        both = alike and task[0].stop <= task[1].start
        show(sought, sides, start, task, both=both, area=area, lock=lock)
    finally:
        areas.put(area)  # also after an error, as others wait for it


def show(
    sought: Sought,
    sides: Sides,
    start: int,
    task: Task,
    *,
    both: bool,
    area: Area,
    lock: threading.Lock,
) -> None:
    """`compare_tile` in some memory; what is known is changed by one thread at a time."""
    asked, items = task
    rows = slice(start + asked.start, start + asked.stop)
    ids = sides.queries.ids.numpy()[rows], sides.gallery.ids.numpy()[items]
    if not sides.clashing:
        ids = ids[0], ids[1][:0]
    found, near = tile_kernels.look(
        sides.rule.queries[rows],
        sides.rule.gallery[items],
        sides.own[rows],
        *ids,
        (asked.start, items.start),
        both,
        sought.limits,
        *area.memory(items.stop - items.start),
    )
    with lock:
        if found:
            room_kernels.keep(area.found[:, :found], area.values, sought.rooms)
        most = 32 + len(sides.gallery.order) // SHARE
        known = most, sought.ahead, sought.close, sought.limits
        room_kernels.add(area.counts[:2], asked.start, asked.stop, *known)
        if both:
            room_kernels.add(area.counts[2:], items.start, items.stop, *known)
        if near:
            decide(sought, sides, start, *area.near[:, :near])


def decide(sought: Sought, sides: Sides, start: int, queries: Array, items: Array) -> None:
    """Add to `ahead`, by float64, which of the items are ahead of the first hits of the queries,
    but for those that were close to too many."""
    some = sought.limits[1, queries] < np.inf
    asked = queries[some]
    found = sides.similarities(start + asked, items[some])
    np.add.at(sought.ahead, asked, found >= sought.edge[asked])
