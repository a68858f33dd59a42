"""Short runs on the digits, and what must be equal between two of them."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from bench.running.run import run
from bench.spec import RunSpec
from bench.store.runs import Doing, Run, load_run

LOSSES: dict[str, dict[str, Any]] = {
    "proxy_nca": {"scale": 12.0},
    "triplet": {},
    "center": {"weight": 0.01},
    "magnet": {"refresh_every": 4},
    "margin": {"boundaries": "per class"},  # draws
    "proxy_triplet": {"proxies_per_class": 0.7},  # shared proxies, drawn once
}


def spec_for(loss: str = "proxy_nca", **fields: Any) -> RunSpec:
    settings: dict[str, Any] = {
        "method": loss,
        "dataset": "digits",
        "loss": loss,
        "loss_args": LOSSES.get(loss, {}),
        "loss_learning_rate": 0.01,
        "samples_per_class": 4,
        "seed": 0,
        "embedding_dim": 8,
        "batch_size": 24,
        "steps": 12,
        "evaluate_every": 4,
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
    }
    return RunSpec.model_validate(settings | fields)


def execute(
    spec: RunSpec,
    results: Path,
    stop: Callable[[], bool] = bool,
    steps: list[int] | None = None,
    device: str = "cpu",
) -> Run:
    def report(step: int, doing: Doing) -> None:
        if steps is not None and doing not in ("preparing", "scoring"):
            steps.append(step)

    return load_run(
        run(spec, results, data_root=None, device=device, keep_model=True, report=report, stop=stop)
    )


def stopping_every(steps: int) -> Callable[[], bool]:
    counter = count(1)
    return lambda: next(counter) % steps == 0


def numbers(stored: Run) -> dict[str, Any]:
    """Everything of a stored run that must be equal, bit by bit."""
    curve = [
        {key: value for key, value in point.items() if key != "seconds"} for point in stored.curve
    ]
    chain = stored.chain
    assert chain or not stored.spec["steps"]
    return {
        "chain": chain and (chain.names, chain.links.tolist(), chain.digests.tobytes()),
        "curve": curve,
        "scores": stored.scores,
        "parameters": stored.record["parameters"],
        "queries": {name: array.tobytes() for name, array in stored.queries.items()},
        "history": {name: array.tobytes() for name, array in (stored.history or {}).items()},
    }
