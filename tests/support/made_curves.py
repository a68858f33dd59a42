"""Curves of invented runs, as `bench.reporting.cost.convergence.read_curves` returns them."""

import numpy as np
import pandas as pd

from bench.spec import PROTOCOL
from tests.support.fabricated import FINGERPRINT


def make_curves(
    runs: dict[str, list[list[float]]], *, triplet: str = "", pace: float = 0.5
) -> pd.DataFrame:
    """Curves of methods, each with one list of R@1 per seed, validated every ten steps."""
    parts = []
    for method, scores in runs.items():
        for seed, values in enumerate(scores):
            step = 10.0 * np.arange(len(values))
            fields = {"step": step, "epoch": step / 8, "images": 32 * step}
            fields["seconds"] = pace * (seed + 1) * step
            first = {"method": method, "run": f"{method}-{seed}", "seed": seed}
            first |= {"dataset": "tiny", "split": "official", "backbone": "conv4"}
            first |= {"protocol": PROTOCOL, "fingerprint": FINGERPRINT, "drawn_validation": False}
            first |= {"machine": "here"}
            first["loss"] = "triplet" if method == triplet else "proxy_nca"
            recalls = np.array(values)
            parts.append(pd.DataFrame(fields | first | {"recall@1": recalls, "map@r": recalls / 2}))
    return pd.concat(parts, ignore_index=True)


def stretched(factor: int) -> list[list[float]]:
    """Five seeds of a curve that rises to 0.9, `factor` times slower than in 10 validations."""
    return [
        np.interp(np.arange(121), [0, factor * (10 + seed)], [0.1, 0.9]).tolist()
        for seed in range(5)
    ]
