"""What every entry of `LOSSES` refuses: batches that do not fit, settings out of range."""

import re
from inspect import signature
from math import inf, nan, pi
from typing import Any

import pytest
import torch
from torch import nn

from proxy_core.losses import LOSSES
from tests.core.losses.test_contract import CLASSES, DIM, every_loss, make


@every_loss
@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        ((3, DIM + 1), [0, 1, 2], r"embeddings have shape \(3, 7\): expected \(B, 6\)"),
        ((DIM,), [0], r"embeddings have shape \(6,\)"),
        ((3, DIM), [0, 1], r"labels have shape \(2,\): expected \(3,\)"),
        ((3, DIM), [[0], [1], [2]], r"labels have shape \(3, 1\)"),
        ((0, DIM), [], r"batch is empty \(B = 0\)"),
        ((3, DIM), [0, 1, 4], r"labels span 0\.\.4: expected 0\.\.3 for 4 classes"),
        ((3, DIM), [-1, 1, 2], r"labels span -1\.\.2"),
        ((3, DIM), [0.0, 1.0, 2.0], r"labels are of type torch.float32: expected torch.int64"),
    ],
)
def test_other_batches_are_refused(
    name: str, embeddings: tuple[int, ...], labels: list[int], message: str
) -> None:
    numbers = torch.tensor(labels) if labels else torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match=message):
        make(name)(torch.zeros(embeddings), numbers)


@every_loss
def test_integer_embeddings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"embeddings are of type torch.int64"):
        make(name)(torch.zeros(2, DIM, dtype=torch.int64), torch.tensor([0, 1]))


@every_loss
def test_bad_sizes_and_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="num_classes is 0"):
        LOSSES[name](0, DIM)
    with pytest.raises(ValueError, match="embedding_dim is 0"):
        LOSSES[name](CLASSES, 0)
    with pytest.raises(TypeError, match="unknown_argument"):
        LOSSES[name](CLASSES, DIM, unknown_argument=1)


# Every hyper-parameter of every loss: default, then least and largest value and whether the least
# is allowed, or what there is to choose from. A default that moves, moves numbers.
ABOVE_0, FROM_0, FROM_1 = (0, inf, False), (0, inf, True), (1, inf, True)
ASSIGNMENT = {
    "assignment": ("static", ("static", "dynamic")),
    "proxies_per_class": (1.0, (0, 1000, False)),
}
SETTINGS: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "proxy_nca": {"scale": (18.0, ABOVE_0), **ASSIGNMENT},
    "proxy_nca_softmax": {"scale": (18.0, ABOVE_0), **ASSIGNMENT},
    "proxy_nca_pp": {"temperature": (1 / 9, ABOVE_0), **ASSIGNMENT},
    "proxy_triplet": {
        "margin": (0.5, (0, 4, False)),
        "over": ("mean", ("sum", "mean")),
        **ASSIGNMENT,
    },
    "proxy_anchor": {"scale": (32.0, ABOVE_0), "margin": (0.1, (0, 1, True)), **ASSIGNMENT},
    "soft_triple": {
        "scale": (20.0, ABOVE_0),
        "margin": (0.01, (0, 1, True)),
        "temperature": (0.1, ABOVE_0),
        "centers_per_class": (10, (1, 1000, True)),
        "spread_weight": (0.2, FROM_0),
    },
    "softmax": {"label_smoothing": (0.0, (0, 1, True))},
    "normalized_softmax": {"temperature": (0.05, ABOVE_0)},
    "arcface": {"scale": (64.0, ABOVE_0), "margin": (0.5, (0, pi / 2, True))},
    "cosface": {"scale": (64.0, ABOVE_0), "margin": (0.35, (0, 2, True))},
    "contrastive": {"margin": (1.0, (0, 2, False))},
    "n_pairs": {"norm_weight": (0.001, FROM_0)},
    "lifted_structure": {"margin": (1.0, ABOVE_0)},
    "generalized_lifted": {"margin": (1.0, ABOVE_0)},
    "multi_similarity": {
        "alpha": (2.0, ABOVE_0),
        "beta": (50.0, ABOVE_0),
        "base": (0.5, (-1, 1, True)),
        "epsilon": (0.1, (0, 4, True)),
    },
    "nt_xent": {"temperature": (0.1, ABOVE_0)},
    "triplet": {
        "margin": (0.2, (0, 4, False)),
        "mining": ("semi-hard", ("random", "all", "semi-hard", "hard", "distance-weighted")),
        "surrogate": ("margin", ("margin", "nca")),
    },
    "margin": {
        "margin": (0.2, (0, 2, False)),
        "beta": (1.2, (0, 2, False)),
        "nu": (0.0, FROM_0),
        "boundaries": ("one", ("one", "per class")),
    },
    "center": {
        "weight": (0.003, FROM_0),
        "center_rate": (0.5, (0, 1, True)),
        "update": ("paper", ("paper", "gradient")),
    },
    "facility_location": {"margin": (1.0, FROM_0), "passes": (5, FROM_0)},
    "magnet": {
        "alpha": (1.0, FROM_0),
        "clusters_per_class": (3, (1, 1000, True)),
        "refresh_every": (100, FROM_1),
    },
}
EACH = [(name, argument) for name, table in SETTINGS.items() for argument in table]


def test_these_are_all_settings_and_their_defaults() -> None:
    found = {
        name: {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        for name, loss in LOSSES.items()
        if (parameters := list(signature(loss).parameters.values()))
    }
    expected = {name: {key: v[0] for key, v in table.items()} for name, table in SETTINGS.items()}
    assert found == expected


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_settings_out_of_range_are_refused(name: str, argument: str) -> None:
    default, allowed = SETTINGS[name][argument]
    if isinstance(default, str):
        message = f"{argument} is 'other': "
        refused: list[Any] = ["other"]
    else:
        low, high, low_allowed = allowed
        refused = [low - 0.01, inf, nan, *([] if low_allowed else [low])]
        refused += [high * 1.01] if high < inf else []
        opening, closing = "[" if low_allowed else "(", ")" if high == inf else "]"
        message = f" it must lie in {opening}{low:g}, {high:g}{closing}"
    for value in refused:
        with pytest.raises(ValueError, match=re.escape(message)) as raised:
            LOSSES[name](CLASSES, DIM, **{argument: value})
        assert str(raised.value).startswith(f"{argument} is {value!r}: ")


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_settings_up_to_the_ends_of_their_range_are_allowed(name: str, argument: str) -> None:
    default, allowed = SETTINGS[name][argument]
    if isinstance(default, str):
        taken: tuple[Any, ...] = allowed
    else:
        low, high, low_allowed = allowed
        inside = 1 if argument == "proxies_per_class" else low + 1e-6
        taken = (low if low_allowed else inside, high if high < inf else 1e6)
    for value in taken:
        assert isinstance(LOSSES[name](CLASSES, DIM, **{argument: value}), nn.Module)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("soft_triple", "centers_per_class"),
        ("facility_location", "passes"),
        ("magnet", "clusters_per_class"),
        ("magnet", "refresh_every"),
    ],
)
def test_fractions_of_what_is_counted_are_refused(name: str, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} is 2.5: it must be a whole number"):
        LOSSES[name](CLASSES, DIM, **{argument: 2.5})


@every_loss
def test_the_least_number_of_classes(name: str) -> None:
    least = 2 if name == "proxy_nca" else 1
    message = f"num_classes is {least - 1}: this loss needs at least {least}"
    with pytest.raises(ValueError, match=message):
        LOSSES[name](least - 1, DIM)
    assert isinstance(LOSSES[name](least, DIM), nn.Module)
    assert isinstance(LOSSES[name](least, 1), nn.Module)
