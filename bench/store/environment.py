"""The environment of a run, stored with it: versions, processor, threads, commit."""

import os
import platform
import subprocess
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


def describe(device: str, threads: int) -> dict[str, object]:
    """Everything that may explain different numbers on two machines."""
    return {
        "python": platform.python_version(),
        "packages": {name: installed_version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "device": device,
        "threads": threads,
        "commit": commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cpu_model() -> str:
    """The processor's name, or its architecture if the system does not give it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
