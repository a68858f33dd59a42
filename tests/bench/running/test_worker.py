"""The process of a run."""

import ast

import pytest

from bench.running.worker import import_loss
from bench.spec import NO_LOSS
from bench.suites import arguments
from bench.suites import loss_source as sources
from bench.suites.loss_source import loss_source


@pytest.fixture(autouse=True)
def _as_before() -> object:
    loss_source.cache_clear()
    yield
    loss_source.cache_clear()


def edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the file of every loss had another statement from now on."""
    parse = arguments.parse
    monkeypatch.setattr(
        sources, "parse", lambda module: ast.parse(f"{ast.unparse(parse(module))}\nTriplet.x = 1")
    )


def test_a_loss_that_is_edited_while_its_run_works_has_its_former_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_loss("triplet")
    imported = loss_source("triplet")
    edit(monkeypatch)
    assert loss_source("triplet") == imported
    loss_source.cache_clear()
    assert loss_source("triplet") != imported


def test_a_loss_that_is_edited_while_it_is_imported_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.running.worker.import_module", lambda name: edit(monkeypatch))
    import_loss(NO_LOSS)
    with pytest.raises(ValueError, match="loss 'triplet' was edited while this run was starting"):
        import_loss("triplet")
