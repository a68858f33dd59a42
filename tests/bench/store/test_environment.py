"""The record of the environment: what the processor has, and what pins its arithmetic."""

import os
import re
from pathlib import Path

import pytest
import torch

from bench.cli.main import make_portable
from bench.store import environment
from bench.store.environment import (
    PINNED,
    PINS,
    PORTABLE,
    arithmetic_options,
    cpu_features,
    current_pins,
    describe,
    pinned,
    written,
)
from bench.training.checkpoint import kind_of
from bench.training.device import device_name
from bench.verification.environment import changes


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PINS:
        monkeypatch.delenv(name, raising=False)


def test_pins_hold_within_a_block_and_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    with pinned("ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2"):
        assert "MKL_CBWR" not in os.environ
        assert describe("cpu", 1)["pins"] == "ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2"
        assert ", ATEN_CPU_CAPABILITY=avx2 ONEDNN" in kind_of(torch.device("cpu"))
    assert current_pins() == "MKL_CBWR=AVX2"
    with pinned(""):
        assert current_pins() == ""
        assert kind_of(torch.device("cpu")).count(",") == 0


@pytest.mark.parametrize("pins", ["LD_PRELOAD=/x.so", "MKL_CBWR=AVX2 PATH=/x", "MKL_CBWR"])
def test_a_record_pins_nothing_else(pins: str) -> None:
    """It may come from others."""
    with pytest.raises(ValueError, match="is not a list of"), pinned(pins):
        pass
    assert not re.search(PINNED, pins)
    assert re.search(PINNED, written(PORTABLE))


def test_odd_values_of_the_shell_are_recorded_so_that_they_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MKL_CBWR", "AVX2, STRICT;")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "")
    assert current_pins() == "MKL_CBWR=AVX2,_STRICT_ OPENBLAS_CORETYPE=_"
    assert re.search(PINNED, current_pins())
    with pinned(""):
        pass
    assert os.environ["MKL_CBWR"] == "AVX2, STRICT;"


def test_pins_and_features_explain_a_difference_but_not_where_one_run_has_none() -> None:
    here = describe("cpu", 1)
    other = {**here, "pins": "MKL_CBWR=AVX2", "features": "avx avx2"}
    assert next(changes(other, here)) == f"features avx avx2 then, {here['features']} here"
    assert "pins MKL_CBWR=AVX2 then, none here" in changes(other, here)
    older = {name: value for name, value in here.items() if name not in ("pins", "features")}
    assert [*changes(older, here)] == []


def test_earlier_runs_do_not_name_their_gpu() -> None:
    here = describe("cuda (NVIDIA H200)", 1)
    assert [*changes({**here, "device": "cuda:0"}, here)] == []
    assert len([*changes({**here, "device": "cuda (NVIDIA A100)"}, here)]) == 1
    moved = {**here, "cpu": "A, then B"}
    assert [*changes(moved, here)] == [f"cpu (A, then B) then, {here['cpu']} here"]


def test_a_gpu_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA H200")
    assert [device_name(device) for device in ("cpu", "cuda:0", "cuda", "mps:0")] == [
        *("cpu", "cuda (NVIDIA H200)", "cuda (NVIDIA H200)", "mps:0")
    ]


def test_portable_arithmetic_is_pinned_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="of a processor, not of cuda"):
        make_portable("cuda")
    monkeypatch.setattr(environment, "cpu_field", lambda name: "avx sse4_1")
    with pytest.raises(ValueError, match="needs a processor with AVX2"):
        make_portable("cpu")
    assert current_pins() == ""
    monkeypatch.setattr(environment, "cpu_field", lambda name: "fma avx2 sse4_1")
    assert cpu_features() == "avx2 fma"
    with pinned(""):
        make_portable("cpu")
        assert {name: os.environ[name] for name in PORTABLE} == PORTABLE
        assert arithmetic_options() == ("--portable",)
    assert current_pins() == ""
    assert arithmetic_options() == ()
