"""The same runs on a Ray cluster: every task starts the very process that a local sweep starts.

No data goes through Ray. A task gets the path of a job file and returns the exit code of its
process, which writes the run's directory as it would anywhere: the results folder, and the data
root if one is needed, must be on a file system that all nodes share under the same path, and every
node must have the same versions of Python, Ray and this package.
"""

import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.sweeping.launching import Process, start_worker
from bench.sweeping.local import POLL_SECONDS
from bench.sweeping.worker import BUSY, FAILED, INTERRUPTED, note_failure

CONNECT_SECONDS = 10.0
# How long a task waits until its node sees a new folder on the shared file system, and until the
# process of an attempt before it, whose Ray worker was lost, has ended.
PATIENCE_SECONDS = 60.0
RETRIES = 3  # after the loss of a worker or a node; a run that fails is not tried again
DEVICES = {"cpu": ("CPU", 0), "cuda": ("GPU", 1)}  # device: what limits the runs, GPUs of a run


@contextmanager
def connect(
    address: str, *, device: str, jobs: int | None
) -> Iterator[tuple[Callable[[Path], Process], int]]:
    """A function that starts a run on the cluster at `address`, and how many run at a time.

    address: `auto`, the cluster that this machine belongs to; `host:port`, the same by name;
    `local`, a cluster of this machine alone, ended with the sweep. device: `cpu`, or `cuda` for one
    whole GPU, chosen by Ray, to every run. jobs: runs at a time; None for as many as the cluster
    has cores, or GPUs. Raises: ValueError or OSError saying what is missing or cannot be reached.
    """
    resource, gpus = resources_of(device)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = import_ray()
    # In /tmp, as the paths of Ray's sockets must be short.
    with TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        try:
            if address == "local":
                init(ray, address, num_cpus=jobs, folder=folder)
            else:
                join(ray, address)
            slots = int(ray.cluster_resources().get(resource, 0))
            if slots == 0:
                raise ValueError(f"the Ray cluster at {address} has no {resource} for --device")
            task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(execute)
            yield lambda job: Task(ray, task.remote(str(job)), job), jobs or slots
        finally:
            ray.shutdown()


def resources_of(device: str) -> tuple[str, int]:
    """Raises: ValueError if Ray cannot be asked for the device."""
    if device not in DEVICES:
        raise ValueError(f"on a Ray cluster --device is {' or '.join(DEVICES)}, not {device!r}")
    return DEVICES[device]


def import_ray() -> Any:
    """Raises: ValueError saying how to install it if Ray is missing."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ValueError(
            "--ray needs the package ray; install it with `pip install proxy-bench[cluster]`"
        ) from error
    return ray


def join(ray: Any, address: str) -> None:
    """Become a driver of a running cluster. Raises: ValueError or OSError if that cannot be."""
    if address != "auto":
        check_reachable(address)
    try:
        init(ray, address)
    # Ray ends the process itself, after a minute, where a cluster that was there answers no more.
    except (OSError, RuntimeError, SystemExit, ray.exceptions.RayError) as error:
        raise OSError(
            f"the Ray cluster at {address} cannot be joined ({first_line(error)}); start one with "
            "`ray start --head`, and run this command on one of its machines, or use --ray local"
        ) from error


def check_reachable(address: str) -> None:
    """Raises: ValueError if `address` is none, OSError if nothing listens there."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError(f"--ray {address!r} is none of auto, local and host:port")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise OSError(f"no Ray cluster can be reached at {address} ({error})") from error


def init(ray: Any, address: str, num_cpus: int | None = None, folder: str | None = None) -> None:
    """Start Ray in `folder`, or join a cluster if there is none, with Ray's own output kept quiet.

    Ray takes over SIGTERM, to end at once without a checkpoint; the sweep's handler is put back.
    """
    handler = signal.getsignal(signal.SIGTERM)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if folder is None:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address=address,
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=80_000_000,  # bytes; nothing is stored, and 75 MiB is the least
                _temp_dir=folder,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
    finally:
        signal.signal(signal.SIGTERM, handler)


class Task:
    """A run that Ray executes, seen as a process; Ray's own failures become the run's."""

    def __init__(self, ray: Any, reference: Any, job: Path) -> None:
        self.ray = ray
        self.reference = reference
        self.job = job

    def poll(self) -> int | None:
        ended, _ = self.ray.wait([self.reference], timeout=0)
        return self.wait() if ended else None

    def terminate(self) -> None:
        self.ray.cancel(self.reference)

    def wait(self) -> int:
        try:
            code: int = self.ray.get(self.reference)
        except self.ray.exceptions.TaskCancelledError:
            code = INTERRUPTED
        except self.ray.exceptions.RayError as error:
            note_failure(self.job.parent, f"Ray: {first_line(getattr(error, 'cause', error))}")
            code = FAILED
        self.job.unlink(missing_ok=True)
        return code


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its name where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


def execute(job: str) -> int:
    """What a node does: start the process of a job file and return its exit code.

    Raises: FileNotFoundError if the results folder is not shared with this node.
    """
    path, deadline = Path(job), time.monotonic() + PATIENCE_SECONDS
    wait_for_folder(path.parent, deadline)
    while (code := attempt(path)) == BUSY and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return code


def wait_for_folder(folder: Path, deadline: float) -> None:
    """Wait until `folder` is there, at most until time.monotonic() is `deadline`."""
    while not folder.is_dir():
        if time.monotonic() > deadline:
            raise FileNotFoundError(
                f"{folder} is not there on node {socket.gethostname()}; the results folder must be "
                "on a file system that all nodes of the cluster share, under the same path"
            )
        time.sleep(POLL_SECONDS)


def attempt(job: Path) -> int:
    """Run one process to its end; a cancelled task ends it and waits for its checkpoint.

    The process removes its job file: it gets a copy, as a task may be repeated. It stays in the
    process group of its Ray worker, with which Ray ends it should the worker be lost.
    """
    own = job.with_name(f"{job.stem}-{os.getpid()}{job.suffix}")
    shutil.copyfile(job, own)
    process = start_worker(own, own_session=False)
    try:
        while (code := process.poll()) is None:  # a wait without an end would miss the cancelling
            time.sleep(POLL_SECONDS)
    finally:
        process.terminate()
        process.wait()
    return code
