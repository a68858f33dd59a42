"""Commands as processes that are forked from this one, which has imported all that they need.

A new interpreter takes seconds to import torch, a forked process none; everything else is as in
`proxy-bench run`: a command in a process group of its own, and a worker in a session of its own for
each run, with a pipe between them.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from bench.cli import report
from bench.cli.main import main
from bench.running import sweep, worker

PATIENCE = 5.0  # seconds for the processes of a killed command to end


def start(function: Callable[..., object], *arguments: object) -> Any:
    """A process that calls a function; its exit code is what that returns or exits with."""
    process = multiprocessing.get_context("fork").Process(target=ends, args=(function, *arguments))
    process.start()
    return process


def ends(function: Callable[..., object], *arguments: object) -> NoReturn:
    code = function(*arguments)
    sys.exit(code if isinstance(code, int) else 0)


def exit_code(function: Callable[..., object], *arguments: object) -> int:
    """Of a process that calls a function; negative if a signal ended it."""
    process = start(function, *arguments)
    process.join()
    code: int = process.exitcode
    return code


def command(folder: Path, *words: str, prepare: Callable[[], object] | None = None) -> None:
    """`proxy-bench` with some words in a folder, as a process group that leads no terminal.

    prepare: what is called before; without it, `run` ends before its report, which takes as long as
    the runs.
    """
    os.setsid()
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    vars(sweep)["subprocess"] = SimpleNamespace(Popen=ForkedWorker, PIPE=None)
    if prepare:
        prepare()
    else:
        report.finish = lambda *_: True
    sys.argv = ["proxy-bench", *words]
    main()


class ForkedWorker:
    """What `subprocess.Popen` is for `python -m bench.running.worker`, without its start."""

    def __init__(self, command: list[str], *, stdout: FileIO, env: dict[str, str], **_: Any):
        assert command[1:] == ["-m", "bench.running.worker"]
        read, write = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            be_worker(read, stdout.fileno(), env)
        os.close(read)
        self.stdin = open(write, "wb", buffering=0)  # noqa: SIM115, until the worker has ended

    def poll(self) -> int | None:
        return self._look(os.WNOHANG)

    def wait(self) -> int | None:
        return self._look(0)

    def _look(self, options: int) -> int | None:
        if self.returncode is None:
            found, status = os.waitpid(self.pid, options)
            self.returncode = os.waitstatus_to_exitcode(status) if found else None
        return self.returncode

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def be_worker(jobs: int, log: int, env: dict[str, str]) -> NoReturn:
    """Do what a new interpreter does, with the job from a pipe."""
    try:
        os.setsid()
        for source, number in ((jobs, 0), (log, 1), (log, 2)):
            os.dup2(source, number)
        os.closerange(3, 1024)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.environ.update(env)
        os._exit(worker.main())
    finally:
        os._exit(worker.FAILED)


def processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder: a command, its workers and all that they start."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(link) == str(folder):
                found.append(int(link.parent.name))
        except OSError:  # it has ended
            continue
    return found


def orphans(folder: Path, seconds: float = PATIENCE) -> int:
    """How many processes still work in a folder after some seconds; they are killed."""
    deadline = time.monotonic() + seconds
    while (left := processes_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return len(left)
