"""Losses as the tests of all losses build them, and a watch on the memory that they take."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

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


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.elements = max(self.elements, value.numel())
        return result
