"""The declarations of losses and backbones, read from the source, are those of the real classes."""

import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from bench.suites import arguments
from bench.suites.arguments import backbones, declared_losses, resolve_arguments
from proxy_core.losses import LOSSES
from proxy_core.models.backbones import BACKBONES


def test_the_names_are_those_of_the_tables() -> None:
    assert list(declared_losses()) == list(LOSSES)
    assert backbones() == list(BACKBONES)


@pytest.mark.parametrize("name", LOSSES)
def test_a_declaration_is_the_signature_of_the_class(name: str) -> None:
    loss, declared = LOSSES[name], declared_losses()[name]
    hints = get_type_hints(loss.__init__, include_extras=True)
    keywords = [p for p in inspect.signature(loss).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert list(declared.hyper_parameters.items()) == [
        (p.name, (hints[p.name], p.default)) for p in keywords
    ]
    assert declared.docstring == inspect.getdoc(loss)
    assert declared.family == inspect.getdoc(inspect.getmodule(loss))
    assert declared.module == loss.__module__


LOSS = """
class Mine(nn.Module):
    def __init__(self, num_classes, embedding_dim): ...
"""
TABLE = """
from proxy_core.losses.mine import Mine
LOSSES: dict[str, type] = {"mine": Mine}
"""


@pytest.mark.parametrize(
    ("loss", "table", "message"),
    [
        (
            LOSS.replace("__init__", "forward"),
            TABLE,
            "proxy_core.losses.mine has no class Mine with",
        ),
        (LOSS.replace("Mine", "Other"), TABLE, "proxy_core.losses.mine has no class Mine with"),
        (
            LOSS,
            TABLE.replace("proxy_core.losses.mine", ".mine"),
            "has the loss 'mine' as Mine; imp",
        ),
        (LOSS, TABLE.replace("Mine\n", "My as Mine\n"), "has the loss 'mine' as Mine; import its"),
        (LOSS, TABLE.replace(": Mine", ": mine.Mine"), "has the loss 'mine' as mine.Mine; import"),
        (LOSS, TABLE.replace('"mine": Mine', '**{"mine": Mine}'), "write it as one table, `LOSSES"),
        (LOSS, TABLE.replace("}", "} | {}"), "write it as one table, `LOSSES: dict[...] = "),
        (LOSS, TABLE.replace(": dict[str, type]", ""), "write it as one table, `LOSSES: dict[..."),
        (LOSS, TABLE.replace("proxy_core.losses.mine", "torch.nn"), "has the loss 'mine' as Mine"),
        (
            LOSS.replace("dim):", "dim, *, k: Count = K):"),
            TABLE,
            "the default of k of Mine is K: name 'K'",
        ),
        (
            LOSS.replace("dim):", "dim, *, k: Mine = 1):"),
            TABLE,
            "the type of k of Mine is Mine: name 'M",
        ),
        (
            LOSS.replace("dim):", "dim, *, k=1):"),
            TABLE,
            "the type of k of Mine is missing; every hyper-",
        ),
        (
            LOSS.replace("dim):", "dim, *, k: Count):"),
            TABLE,
            "the default of k of Mine is missing; every",
        ),
        (LOSS.replace("dim):", "dim)"), TABLE, "proxy_core.losses.mine, line 3: expected ':'"),
    ],
)
def test_a_loss_that_cannot_be_read_from_the_source_is_named(
    loss: str, table: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "mine.py").write_text(loss)
    (tmp_path / "losses" / "__init__.py").write_text(table)
    monkeypatch.setattr(arguments, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        declared_losses.__wrapped__()


def test_arguments_are_completed_by_defaults_and_keep_their_declared_types() -> None:
    resolved = resolve_arguments("soft_triple", {"scale": 7})
    assert resolved == {
        name: 7 if name == "scale" else default
        for name, (_, default) in declared_losses()["soft_triple"].hyper_parameters.items()
    }
    assert isinstance(resolved["scale"], float)
    assert isinstance(resolved["centers_per_class"], int)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"margin": 4.5}, "margin: Input should be less than or equal to 4, found 4.5"),
        ({"margin": 0}, "margin: Input should be greater than 0, found 0"),
        ({"margin": float("inf")}, "margin: Input should be a finite number, found inf"),
        ({"margin": "1"}, "margin: Input should be a valid number, found '1'"),
        ({"margin": True}, "margin: Input should be a valid number, found True"),
        ({"surrogate": "nac"}, "surrogate: Input should be 'margin' or 'nca', found 'nac'"),
        ({"magrin": 1}, "unknown hyper-parameter of triplet 'magrin'; did you mean 'margin'?"),
    ],
)
def test_mistakes_are_named(args: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace("?", r"\?")):
        resolve_arguments("triplet", args)
