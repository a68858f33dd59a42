"""Where data lies: the data root, and what to say when something is not there."""

import os
from pathlib import Path

DATA_VARIABLE = "PROXY_BENCH_DATA"


def data_root(name: str, root: Path | None) -> Path:
    """The root given, else $PROXY_BENCH_DATA; FileNotFoundError saying how to name one."""
    chosen = root or os.environ.get(DATA_VARIABLE)
    if not chosen:
        raise FileNotFoundError(f"{name} needs a data root and none was given. {_advice(name)}")
    return Path(chosen)


def find_place(name: str, root: Path, candidates: tuple[str, ...]) -> Path:
    """The first of the candidates under the root that is there.

    Raises FileNotFoundError which names every path looked at and the command that gets the data.
    """
    paths = [root / candidate for candidate in candidates]
    for path in paths:
        if path.exists():
            return path
    looked = " and ".join(str(path) for path in paths)
    raise FileNotFoundError(f"{name} is not complete: looked for {looked}. {_advice(name)}")


def _advice(name: str) -> str:
    if name.split(":")[0] == "folder":
        return f"Name the folder of your images with --data-root or with {DATA_VARIABLE}"
    return (
        f"Get it with `proxy-bench data download {name} --data-root DIR`, or say where it is "
        f"with --data-root or the environment variable {DATA_VARIABLE}"
    )
