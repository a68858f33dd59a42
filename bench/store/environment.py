"""The environment of a run, stored with it: versions, processor, pins of arithmetic, threads,
commit."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "proxy-bench",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
)
THEN = ", then "  # between two values of a field of a run that was resumed elsewhere
# Instructions that libraries choose by, as Linux names them.
FEATURES = (
    *("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "asimd", "sve", "sve2"),
)
# What `--portable` sets before torch is imported: PyTorch, oneDNN and MKL read it once.
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
}
# The same, what else chooses instructions, and what lets float32 be computed in fewer bits.
PINS = (
    *PORTABLE,
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_CORETYPE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "NVIDIA_TF32_OVERRIDE",
)
# What a record may say of them, and so set here: it may come from others.
PINNED = rf"^((^| )({'|'.join(PINS)})=[\w,.-]+)*$"


@contextmanager
def pinned(pins: str) -> Iterator[None]:
    """Within it the arithmetic of processes that are started is pinned, as `current_pins` writes
    it; and of this process too, unless it has imported torch."""
    before = {name: os.environ[name] for name in PINS if name in os.environ}
    set_pins(pins)
    try:
        yield
    finally:
        set_pins("")
        os.environ.update(before)


def set_pins(pins: str) -> None:
    """Pin the arithmetic so and not otherwise. Raises: ValueError for other variables."""
    if not re.search(PINNED, pins):
        raise ValueError(f"{pins!r} is not a list of {', '.join(PINS)}")
    for name in PINS:
        os.environ.pop(name, None)
    for pair in pins.split():
        name, _, value = pair.partition("=")
        os.environ[name] = value


def current_pins() -> str:
    """The variables that pin the arithmetic, `NAME=value` with spaces between; usually empty."""
    return written({name: os.environ[name] for name in PINS if name in os.environ})


def arithmetic_options() -> tuple[str, ...]:
    """With which options a command that is started later has the arithmetic of this process."""
    return ("--portable",) if current_pins() == written(PORTABLE) else ()


def written(pins: dict[str, str]) -> str:
    """Values that have other characters than those of `PINNED` keep none of these."""
    clean = {name: re.sub(r"[^\w,.-]", "_", value) or "_" for name, value in pins.items()}
    return " ".join(f"{name}={value}" for name, value in sorted(clean.items()))


def describe(
    device: str, threads: int, places: Sequence[Mapping[str, str]] = ()
) -> dict[str, object]:
    """Everything that may explain different numbers on two machines.

    Arguments: device, as `bench.training.device` names it; places, each `place` where a run was
    trained, if not here; fields that differ are joined: `AMD EPYC, then Intel Xeon`.
    """
    places = places or (place(),)
    trained = {name: joined(each[name] for each in places) for name in places[0]}
    return {
        "packages": {name: installed_version(name) for name in PACKAGES},
        **trained,
        "pins": current_pins(),
        "device": device,
        "threads": threads,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def place() -> dict[str, str]:
    """What may differ between the processes that train a run: one is resumed by other versions, on
    another device or with other pins only if it starts again."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "features": cpu_features(),
        "commit": commit(),
    }


def joined(values: Iterable[str]) -> str:
    """Different values in order, in words; one value as it is."""
    different = list(dict.fromkeys(values))
    return different[0] if len(different) == 1 else THEN.join(v or "none" for v in different)


def installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cpu_model() -> str:
    """The processor's name, or its architecture if the system does not give it."""
    return cpu_field("model name") or platform.processor() or platform.machine()


def cpu_features() -> str:
    """Those of `FEATURES` that the processor has; empty if the system does not say."""
    found = {*(cpu_field("flags") or cpu_field("Features")).split()}
    return " ".join(name for name in FEATURES if name in found)


def cpu_field(name: str) -> str:
    """A field of the first processor in Linux's table; empty without it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.partition(":")[0].strip() == name:
                return line.partition(":")[2].strip()
    return ""


def commit() -> str:
    """Commit of the checkout that runs, with `+changes` if files differ; "unknown" outside one."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder.parent / ".git").exists():  # installed, or inside another repository
        return "unknown"
    head = git(folder, "rev-parse", "--short=12", "HEAD")
    return head + ("+changes" if head and git(folder, "status", "--porcelain", "-uno") else "")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):  # git is not installed, or hangs
        return ""
    return result.stdout.strip()
