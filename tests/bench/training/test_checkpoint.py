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
from bench.store.runs import RunDir
from bench.training.batches import Batches
from bench.training.checkpoint import (
    CheckpointError,
    Origin,
    Progress,
    check_state,
    load_checkpoint,
    origin_of,
    read_checkpoint,
    read_file,
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
    files = RunDir(tmp_path)
    model, loss, optimizer, batches = parts()
    take_step(model, loss, optimizer)
    save_checkpoint(files, origin(), model, loss, optimizer, batches, PROGRESS)
    return files.checkpoint


def load(path: Path, origin: Origin, *parts: Any) -> Progress:
    """Load the checkpoint of a run, whose directory is that of the path."""
    return load_checkpoint(RunDir(path.parent), origin, *parts)


def test_everything_comes_back(saved: Path) -> None:
    restored = parts(seed=1)
    assert load(saved, origin(), *restored) == PROGRESS
    written = parts()
    take_step(*written[:3])
    for one, other in zip(restored[:2], written[:2], strict=True):
        assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())
    assert load(saved.with_name("none") / "any.pt", origin(), *restored) == Progress()


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
            read_file(saved, origin())


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
    with pytest.raises(
        CheckpointError, match=r"delete /.*/checkpoint\*\.pt to start this run again"
    ):
        load(saved, origin(), *parts())


def test_a_checkpoint_of_an_older_version_is_refused(saved: Path) -> None:
    torch.save({"model": parts()[0].state_dict()}, saved)
    with pytest.raises(CheckpointError, match="written by another version of proxy-bench"):
        load(saved, origin(), *parts())


@pytest.fixture
def saved_twice(saved: Path) -> RunDir:
    """A run with two checkpoints, the first one of step 7."""
    files = RunDir(saved.parent)
    model, loss, optimizer, batches = parts()
    take_step(model, loss, optimizer)
    later = replace(PROGRESS, seconds=2.5)
    save_checkpoint(files, origin(), model, loss, optimizer, batches, later)
    assert load_checkpoint(files, origin(), *parts()) == later
    return files


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: sealed(
            content.partition(b"\n")[2].replace(b'of torch": "', b'of torch": "9')
        ),
        lambda content: b"of another version of proxy-bench",
    ],
)
def test_the_checkpoint_before_one_that_cannot_be_resumed_is_used(
    saved_twice: RunDir, change: Callable[[bytes], bytes]
) -> None:
    path = saved_twice.checkpoint
    path.write_bytes(change(path.read_bytes()))
    found = read_checkpoint(saved_twice, origin())
    assert found is not None
    assert found.later
    before = saved_twice.checkpoint_before.read_bytes()
    for _ in range(2):  # it replaces the other one, which the next checkpoint would keep instead
        assert load_checkpoint(saved_twice, origin(), *parts()) == PROGRESS
        assert path.read_bytes() == before
    assert not saved_twice.checkpoint_before.exists()


def test_a_kill_between_the_renames_of_a_checkpoint_leaves_the_one_before(
    saved_twice: RunDir,
) -> None:
    saved_twice.checkpoint.unlink()
    assert saved_twice.has_checkpoint
    assert load_checkpoint(saved_twice, origin(), *parts()) == PROGRESS


@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint-before.pt"])
def test_a_folder_with_the_name_of_a_checkpoint_is_refused(saved_twice: RunDir, name: str) -> None:
    path = saved_twice.path / name
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckpointError, match=f"{name} is a folder, not a checkpoint; delete it"):
        read_checkpoint(saved_twice, origin())


def test_two_damaged_checkpoints_are_refused_with_the_way_out(saved_twice: RunDir) -> None:
    saved_twice.checkpoint_before.write_bytes(b"")
    assert load_checkpoint(saved_twice, origin(), *parts()).seconds == 2.5
    saved_twice.checkpoint.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged"):
        read_checkpoint(saved_twice, origin())


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
        load(saved, now(), *parts())
    assert str(caught.value).startswith(f"{saved} cannot be resumed, because the run began with")
    assert f"Restore what it was, or delete {saved.parent}/checkpoint*.pt to start" in str(
        caught.value
    )
    assert "or choose another folder with --results" in str(caught.value)
    assert saved.read_bytes() == before


def test_two_differences_are_both_named(saved: Path) -> None:
    with pytest.raises(CheckpointError, match=r"seed was 0, is 1; version of numpy was .*, is 0\."):
        read_file(saved, origin(seed=1) | {"version of numpy": "0"})


def test_the_name_of_a_method_is_no_difference(saved: Path) -> None:
    assert read_file(saved, origin(method="Another name")) is not None


def test_other_source_code_is_refused_without_a_message_of_torch(saved: Path) -> None:
    """Such as a loss that got a buffer since: the versions are the same."""
    with pytest.raises(CheckpointError, match="does not fit the network, the loss or") as caught:
        load(saved, origin(), *parts(dim=9))
    assert "size mismatch" not in str(caught.value)


def sealed(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize("first", [b"{", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_an_origin_that_cannot_be_read_is_one_message(saved: Path, first: bytes) -> None:
    _, _, content = saved.read_bytes().split(b"\n", 2)
    saved.write_bytes(sealed(first + b"\n" + content))
    with pytest.raises(CheckpointError, match="does not say what it was made from; delete /"):
        read_file(saved, origin())


@pytest.mark.parametrize("content", [b"", b"xx", pickle.dumps(Path("/"), 2)])
def test_other_content_with_a_right_digest_is_one_message(saved: Path, content: bytes) -> None:
    _, first, _ = saved.read_bytes().split(b"\n", 2)
    saved.write_bytes(sealed(first + b"\n" + content))
    with pytest.raises(CheckpointError, match="does not fit the network, the loss or"):
        load(saved, origin(), *parts())


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
        load(saved, origin(), *parts())


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
