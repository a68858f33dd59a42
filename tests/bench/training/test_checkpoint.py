"""Checkpoints are resumed only as they were written, and only by the run that they belong to."""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.datasets.images import ArrayImages
from bench.datasets.types import Dataset
from bench.store.chain import Chain
from bench.training.batches import Batches
from bench.training.checkpoint import (
    CheckpointError,
    Origin,
    Progress,
    check_state,
    load_checkpoint,
    origin_of,
    read_checkpoint,
    save_checkpoint,
)
from bench.training.loop import make_optimizer
from bench.training.network import build
from tests.support.short_runs import spec_for
from tests.support.tiny_classes import tiny_classes

CPU = torch.device("cpu")
DATASET = tiny_classes()
CURVE = "".join(
    json.dumps(
        {"step": step, "epoch": 0.0, "images": 24 * step, "seconds": 0.0, "loss": None}
        | {"recall@1": 0.5, "map@r": 0.25}
    )
    + "\n"
    for step in (0, 4)
)
CHAIN = Chain(5, ["losses"], [0, 5], ["00000000", "00000001"], ["0" * 16, "1" * 16])
PROGRESS = Progress(7, 1.5, 3.25, 2, True, CURVE, chain=CHAIN)


def parts(dim: int = 8, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    spec = spec_for(embedding_dim=dim, seed=seed)
    model, loss, _ = build(spec, DATASET, CPU)
    return model, loss, make_optimizer(spec, model, loss), Batches(spec, DATASET, loss)


def take_step(model: Any, loss: Any, optimizer: Any) -> None:
    for parameter in (*model.parameters(), *loss.parameters()):
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def origin(dataset: Dataset = DATASET, **fields: Any) -> Origin:
    return origin_of(spec_for(**fields), dataset, CPU)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    model, loss, optimizer, batches = parts()
    take_step(model, loss, optimizer)
    save_checkpoint(path, origin(), model, loss, optimizer, batches, PROGRESS)
    return path


def test_everything_comes_back(saved: Path) -> None:
    restored = parts(seed=1)
    assert load_checkpoint(saved, origin(), *restored) == PROGRESS
    written = parts()
    take_step(*written[:3])
    for one, other in zip(restored[:2], written[:2], strict=True):
        assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())
    assert load_checkpoint(saved.with_name("none.pt"), origin(), *restored) == Progress()


def test_no_single_changed_bit_passes(saved: Path) -> None:
    content = saved.read_bytes()
    generator = np.random.default_rng(0)
    near_the_start = [(byte, bit) for byte in range(0, 1500, 7) for bit in range(8)]
    anywhere = zip(
        generator.integers(0, len(content), 300), generator.integers(0, 8, 300), strict=True
    )
    for byte, bit in [*near_the_start, *anywhere]:
        changed = bytearray(content)
        changed[byte] ^= 1 << bit
        saved.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged, or was written by"):
            read_checkpoint(saved, origin())


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:64],
        lambda content: content[:1000],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[1:],
        lambda content: b"\n" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content[:5000] + bytes(4096) + content[9096:],
        lambda content: b"no checkpoint at all",
        lambda content: pickle.dumps({"model": 1}),
    ],
)
def test_no_other_damage_passes(saved: Path, change: Callable[[bytes], bytes]) -> None:
    saved.write_bytes(change(saved.read_bytes()))
    with pytest.raises(CheckpointError, match="delete it to start this run again"):
        load_checkpoint(saved, origin(), *parts())


def test_a_checkpoint_of_an_older_version_is_refused(saved: Path) -> None:
    torch.save({"model": parts()[0].state_dict()}, saved)
    with pytest.raises(CheckpointError, match="written by another version of proxy-bench"):
        load_checkpoint(saved, origin(), *parts())


def other_pixels() -> Dataset:
    pixels = DATASET.pixels.copy()
    pixels[0, 0, 0] ^= 1
    return replace(DATASET, images=ArrayImages(pixels, DATASET.items))


def other_split() -> Dataset:
    split = DATASET.split
    moved = replace(split, train=split.train[1:])
    return replace(DATASET, split=moved)


def other_classes() -> Dataset:
    names = ("zebra", *DATASET.class_names[1:])
    return replace(DATASET, class_names=names)


@pytest.mark.parametrize(
    ("now", "named"),
    [
        (lambda: origin(other_pixels()), "data checksum was "),
        (lambda: origin(other_split()), "split fingerprint was "),
        (lambda: origin(other_classes()), "split fingerprint was "),
        (lambda: origin(learning_rate=0.5), "learning_rate was 0.001, is 0.5"),
        (lambda: origin(loss_args={"scale": 7.0}), "loss_args was {'scale': 12.0}, is {'scale': 7"),
        (lambda: origin() | {"version of torch": "9"}, r"version of torch was \S+, is 9\. "),
        (lambda: origin() | {"device": "cuda (X)"}, r"device was cpu \(\w+\), is cuda \(X\)"),
        (lambda: origin() | {"new": 1}, "new was None, is 1"),
    ],
)
def test_another_origin_is_refused_by_name_with_the_way_out(
    saved: Path, now: Callable[[], Origin], named: str
) -> None:
    before = saved.read_bytes()
    with pytest.raises(CheckpointError, match=named) as caught:
        load_checkpoint(saved, now(), *parts())
    assert str(caught.value).startswith(f"{saved} cannot be resumed, because the run began with")
    assert "Restore what it was, or delete this file" in str(caught.value)
    assert "or choose another folder with --results" in str(caught.value)
    assert saved.read_bytes() == before


def test_two_differences_are_both_named(saved: Path) -> None:
    with pytest.raises(CheckpointError, match=r"seed was 0, is 1; version of numpy was .*, is 0\."):
        read_checkpoint(saved, origin(seed=1) | {"version of numpy": "0"})


def test_the_name_of_a_method_is_no_difference(saved: Path) -> None:
    assert read_checkpoint(saved, origin(method="Another name")) is not None


def test_other_source_code_is_refused_without_a_message_of_torch(saved: Path) -> None:
    """Such as a loss that got a buffer since: the versions are the same."""
    with pytest.raises(CheckpointError, match="does not fit the network, the loss or") as caught:
        load_checkpoint(saved, origin(), *parts(dim=9))
    assert "size mismatch" not in str(caught.value)


def sealed(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize("first", [b"{", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_an_origin_that_cannot_be_read_is_one_message(saved: Path, first: bytes) -> None:
    _, _, content = saved.read_bytes().split(b"\n", 2)
    saved.write_bytes(sealed(first + b"\n" + content))
    with pytest.raises(CheckpointError, match="does not say what it was made from; delete it"):
        read_checkpoint(saved, origin())


@pytest.mark.parametrize("content", [b"", b"xx", pickle.dumps(Path("/"), 2)])
def test_other_content_with_a_right_digest_is_one_message(saved: Path, content: bytes) -> None:
    _, first, _ = saved.read_bytes().split(b"\n", 2)
    saved.write_bytes(sealed(first + b"\n" + content))
    with pytest.raises(CheckpointError, match="does not fit the network, the loss or"):
        load_checkpoint(saved, origin(), *parts())


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("progress", "step", 8),  # which would train a step less
        ("progress", "step", 12),  # which would end the training
        ("progress", "step", 999),
        ("progress", "step", -3),
        ("progress", "step", "7"),
        ("progress", "curve", ""),
        ("progress", "curve", "{"),
        ("progress", "curve", CURVE * 2),
        ("progress", "losses", [1.0]),
        ("progress", "loss_sum", float("nan")),
        ("progress", "seconds", -1.0),
        ("progress", "more", 1),
        ("optimizer", "param_groups", []),
        ("optimizer", "state", {}),  # which would begin new averages
        ("progress", "curve", CURVE.replace("0.25", "7.0")),
        ("rates", "base_lr", 0.5),  # which the origin does not have
        ("rates", "weight_decay", 0.5),
        ("", "optimizer", None),
        ("", "rng", torch.zeros(3)),
        ("", "rng", torch.zeros(3, dtype=torch.uint8)),
    ],
)
def test_contents_that_no_run_writes_are_refused(
    saved: Path, part: str, key: str, value: object
) -> None:
    _, first, content = saved.read_bytes().split(b"\n", 2)
    state = torch.load(io.BytesIO(content), weights_only=True)
    groups = state["optimizer"]["param_groups"]
    ({"": state, "rates": groups[0]} | state)[part][key] = value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    saved.write_bytes(sealed(first + b"\n" + buffer.getvalue()))
    with pytest.raises(CheckpointError, match="does not fit the network, the loss or"):
        load_checkpoint(saved, origin(), *parts())


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd", "rmsprop"])
def test_averages_of_an_optimizer_fit_its_parameters(kind: str) -> None:
    spec = spec_for(optimizer=kind, momentum=0.9 if kind in ("sgd", "rmsprop") else 0.0)
    model, loss, _ = build(spec, DATASET, CPU)
    optimizer = make_optimizer(spec, model, loss)
    take_step(model, loss, optimizer)
    check_state(optimizer, 1)
    first = next(iter(optimizer.state.values()))
    for name, whole in dict(first).items():
        for value in (torch.zeros(3), torch.full_like(whole, float("nan")), torch.tensor(2.0)):
            first[name] = value
            with pytest.raises(ValueError, match=r"the optimizer has .* that does not fit"):
                check_state(optimizer, 1)
        del first[name]
        with pytest.raises(ValueError, match="the optimizer lacks averages of some"):
            check_state(optimizer, 1)
        first[name] = whole
    check_state(optimizer, 1)
    for state in optimizer.state.values():
        state.clear()
    with pytest.raises(ValueError, match="the optimizer lacks averages of some"):
        check_state(optimizer, 1)
