"""Independent pieces of work in processes of one thread each, as training has it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from bench.running.sweep import ENVIRONMENT
from bench.store.runs import Run

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[tuple[int, Result]]:
    """The position of each task and what `function` returned for it, as soon as it is there.

    Raises: what the first failing task raises, once those that run have ended.
    """
    os.environ.update(ENVIRONMENT)  # of the processes that are started below
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=prepare)
    try:
        started = {pool.submit(function, *task): place for place, task in enumerate(tasks)}
        for done in as_completed(started):
            yield started[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def chunked(runs: Sequence[Run], size: int) -> Iterator[list[Run]]:
    """The runs of one data set and split, a few at a time, so that it is loaded once for them."""
    by_data: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_data.setdefault((run.spec["dataset"], run.spec["split"]), []).append(run)
    for members in by_data.values():
        for start in range(0, len(members), size):
            yield members[start : start + size]


def prepare() -> None:
    """One thread, as in training; Ctrl-C is for the parent, with which this process ends."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def end_with_parent() -> None:
    """End this process once its parent has ended: a killed one cannot say so, and the pool would
    wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
