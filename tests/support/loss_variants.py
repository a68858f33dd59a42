"""Losses as the tests of all losses build them."""

from typing import Any

import torch
from torch import nn

from proxy_core.losses import LOSSES

CLASSES, DIM = 4, 6
ASSIGNED = ["proxy_nca", "proxy_nca_softmax", "proxy_nca_pp", "proxy_triplet", "proxy_anchor"]
CHANGES: list[tuple[str, dict[str, Any]]] = [
    *(
        ("triplet", {"mining": rule, "surrogate": surrogate})
        for rule in ("random", "all", "semi-hard", "hard", "distance-weighted")
        for surrogate in ("margin", "nca")
    ),
    ("margin", {"boundaries": "per class", "nu": 0.1}),
    ("center", {"update": "gradient"}),
    ("proxy_triplet", {"over": "sum"}),
    *(
        (name, {"assignment": rule, "proxies_per_class": number})
        for name in ASSIGNED
        for rule, number in (("static", 0.5), ("static", 3.0), ("dynamic", 0.75), ("dynamic", 2.0))
    ),
]
# Every loss at its defaults, and with each choice that selects another computation.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in LOSSES} | {
    " ".join([name, *map(str, changes.values())]): (name, changes) for name, changes in CHANGES
}


def make(variant: str, classes: int = CLASSES, seed: int = 5) -> nn.Module:
    name, changes = VARIANTS[variant]
    torch.manual_seed(seed)
    return LOSSES[name](classes, DIM, **changes)
