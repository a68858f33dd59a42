"""One bit that changes in a training is found at its step, in its tensor."""

from collections.abc import Iterator

import pytest

from bench.store.chain import RUNNING, StoredChain
from bench.training.loop import deterministic
from bench.verification.parting import Parting, compare_chains
from tests.support.injection import KINDS, STEPS, chain_with, change_of

EVERY = 3  # of the chains with fewer links


@pytest.fixture(scope="module", autouse=True)
def same_bits() -> Iterator[None]:
    with deterministic():
        yield


@pytest.fixture(scope="module")
def honest() -> dict[int, StoredChain]:
    with pytest.MonkeyPatch.context() as patch:
        return {every: chain_with(None, every, patch)[0] for every in (1, EVERY)}


def found(
    number: int, every: int, honest: dict[int, StoredChain], monkeypatch: pytest.MonkeyPatch
) -> tuple[Parting, str]:
    """Where a training with a change parts from the honest one, and what was changed."""
    other, changed = chain_with(change_of(number), every, monkeypatch)
    parting, _ = compare_chains(honest[every], other)
    assert parting is not None
    return parting, changed


def check_every_step(
    number: int, honest: dict[int, StoredChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a link after each step the change is found alone."""
    change = change_of(number)
    parting, changed = found(number, 1, honest, monkeypatch)
    assert (parting.equal, parting.step) == (change.step - 1, change.step)
    assert parting.kinds[0] == change.kind
    if change.kind not in RUNNING:
        assert [*parting.tensors] == [changed]


def check_fewer_links(
    number: int, honest: dict[int, StoredChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer links the change is found between two of them, and alone if it was just before."""
    change = change_of(number)
    parting, changed = found(number, EVERY, honest, monkeypatch)
    assert parting.equal is not None
    assert parting.equal < change.step <= parting.step
    assert parting.step - parting.equal <= EVERY
    if change.kind in RUNNING:
        assert parting.kinds[0] == change.kind
    else:
        assert changed in parting.tensors
        assert len(parting.tensors) == 1 or change.step < parting.step


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_changed_bit_is_found(
    number: int, honest: dict[int, StoredChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_every_step(number, honest, monkeypatch)


def test_a_changed_bit_is_found_between_two_links(
    honest: dict[int, StoredChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_fewer_links(0, honest, monkeypatch)
    check_fewer_links(4, honest, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_every_step, check_fewer_links])
def test_fifty_changed_bits_are_found(
    check: object, honest: dict[int, StoredChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(check)
    for number in range(100, 150):
        check(number, honest, monkeypatch)


def test_links_that_two_chains_share_are_compared(honest: dict[int, StoredChain]) -> None:
    assert compare_chains(honest[1], honest[EVERY]) == (None, 4)
    assert honest[EVERY].steps.tolist() == [0, 3, 6, STEPS]
    assert compare_chains(honest[1], honest[1]) == (None, STEPS + 1)


def test_runs_that_begin_apart_have_no_batches_to_compare() -> None:
    begun = Parting(0, None, ("parameters",), ("parameters weight",), 2)
    assert begun.cause == "they begin with other parameters"
