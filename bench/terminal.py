"""What commands share: output as it is, whatever its names and encoding, and how they are ended."""

import codecs
import io
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bench.suggest import printable

PATIENCE = 2  # seconds without a word
PLAIN = {"±": "+-", "–": "-", "…": "..."}  # for encodings without these signs


def plain_console(*, stderr: bool = False) -> Console:
    """A console that reads no markup, emoji or numbers into text, in tables and titles too."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line as it is, never folded, so that a path in it can be copied."""
    text = printable(line)
    console.print(text, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def default_results() -> Path:
    """The folder of results of a command that names none."""
    return Path(os.environ.get("PROXY_BENCH_RESULTS", "results"))


def command(*words: object) -> str:
    """A command line of proxy-bench that can be copied."""
    return shlex.join(["proxy-bench", *map(str, words)])


def run_again(suite: str, results: Path) -> str:
    """What makes missing runs, without the path of results: reports may be passed on."""
    elsewhere = "" if results == default_results() else " with the same --results"
    return f"`{command('run', suite)}`{elsewhere}"


def clock(seconds: float) -> str:
    """`3:20`, in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@contextmanager
def show_late(console: Console, work: str) -> Iterator[Callable[[int, int], None]]:
    """A progress callback `(done, total)`: on a terminal a bar, from when the work has lasted
    `PATIENCE` until it ends."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    bar = Progress(*columns, console=console, transient=True)
    task, started = bar.add_task(work, total=None), time.monotonic()

    def report(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if console.is_terminal and time.monotonic() - started > PATIENCE:
            bar.start()  # once

    try:
        yield report
    finally:
        if bar.live.is_started:
            bar.stop()


def accept_every_character() -> None:
    """Let standard output write ASCII for what its encoding lacks, instead of failing."""
    codecs.register_error("plain", in_ascii)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="plain")


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """ASCII for the characters that cannot be encoded, and where to go on."""
    assert isinstance(error, UnicodeEncodeError)
    found = error.object[error.start : error.end]
    plain = [PLAIN.get(sign, sign.encode("unicode_escape").decode()) for sign in found]
    return "".join(plain), error.end


def end_like_ctrl_c() -> None:
    """Let a closed terminal or a scheduler's signal end the command cleanly, unless nohup ignores
    it."""
    handlers = {signal.SIGTERM: signal.default_int_handler, signal.SIGHUP: hang_up}
    for number, handler in handlers.items():
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)


def hang_up(number: int, frame: object) -> None:
    """End like Ctrl-C, once: a closed terminal may send its signal twice, which is not a second
    Ctrl-C."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def words_of(error: Exception) -> str:
    """The message of an error, without the number that the system gives it."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return str(error)
