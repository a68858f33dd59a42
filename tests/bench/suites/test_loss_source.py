"""The code of a loss is told from another by what it computes with, not by its comments."""

import ast
from pathlib import Path

import pytest

from bench.spec import sha256
from bench.suites import arguments
from bench.suites.arguments import declared_losses, file_of, losses_by_class
from bench.suites.loss_source import loss_source, plain

FORMULA = '''
"""Mine: a loss."""
from torch import nn

from proxy_core.losses import parts_of_mine


class Mine(nn.Module):
    """Summary."""

    def __init__(self, num_classes, dim):
        super().__init__()

    def forward(self, x):
        return 2 * parts_of_mine.half(x)
'''
PART = "def half(x):\n    return x / 2\n"
EDITS = {
    "another comment": (FORMULA.replace("return", "# said\n        return"), PART, True),
    "another docstring": (FORMULA.replace("Summary", "Other"), PART, True),
    "another layout": (FORMULA.replace("2 * parts", "2  *  parts"), PART, True),
    "another number": (FORMULA.replace("2 *", "3 *"), PART, False),
    "another sign": (FORMULA.replace("2 *", "-2 *"), PART, False),
    "another part": (FORMULA, PART.replace("x / 2", "x / 4"), False),
    "another import of the same name": (
        FORMULA.replace("from torch import nn", "from torch import nn, Tensor"),
        PART,
        True,
    ),
    "another type": (FORMULA.replace("forward(self, x)", "forward(self, x: int)"), PART, True),
    "a table that is changed": (
        FORMULA.replace("2 *", "T['k'] *") + "\n\nT = {}\nT['k'] = 2\n",
        PART,
        False,
    ),
    "a function that nothing uses": (FORMULA + "\n\ndef other(x):\n    pass\n", PART, True),
    "a part that it uses": (
        FORMULA.replace("2 *", "twice").replace("twice parts_of_mine.half(x)", "twice(x)")
        + "\n\ndef twice(x):\n    return 2 * x\n",
        PART,
        False,
    ),
}


def source_of(folder: Path, formula: str, part: str, monkeypatch: pytest.MonkeyPatch) -> str:
    losses = folder / "losses"
    losses.mkdir(parents=True, exist_ok=True)
    (losses / "mine.py").write_text(formula)
    (losses / "parts_of_mine.py").write_text(part)
    (losses / "__init__.py").write_text(
        "from proxy_core.losses.mine import Mine\nLOSSES: dict[str, type] = {'mine': Mine}\n"
    )
    monkeypatch.setattr(arguments, "files", lambda package: folder)
    declared_losses.cache_clear()
    loss_source.cache_clear()
    return loss_source("mine")


@pytest.fixture(autouse=True)
def _as_before() -> object:
    yield
    declared_losses.cache_clear()
    loss_source.cache_clear()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_that_computes_something_else_is_told(
    edit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula, part, same = EDITS[edit]
    before = source_of(tmp_path / "before", FORMULA, PART, monkeypatch)
    assert (source_of(tmp_path / "now", formula, part, monkeypatch) == before) == same


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("from .parts_of_mine import half", "parts_of_mine.py"),
        ("from . import parts_of_mine; half = parts_of_mine.half", "parts_of_mine.py"),
        ("from proxy_core.losses.parts_of_mine import *", "parts_of_mine.py"),
        ("import proxy_core.losses.parts_of_mine as own; half = own.half", "parts_of_mine.py"),
        ("from .parts import half", "parts/__init__.py"),
        (
            "try:\n    from .parts import half\nexcept ImportError:\n    half = None",
            "parts/__init__.py",
        ),
        ("if True:\n    from .parts.deep import half", "parts/deep.py"),
        ("def half(x):\n    from .parts.deep import half\n    return half(x)", "parts/deep.py"),
        ("from proxy_core.losses.parts.deep import half", "parts/deep.py"),
        ("from .parts.deep import half", "parts/deep.py"),
    ],
)
def test_every_way_of_importing_a_part_is_followed(
    statement: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula = f"{statement}\n{FORMULA.replace('parts_of_mine.half(x)', 'half(x)')}"
    found = set[str]()
    for divisor in (2, 4, 2):
        folder = tmp_path / str(len(found)) / str(divisor)
        part = folder / "losses" / place
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(PART.replace("2", str(divisor)))
        before = part.read_text()
        found.add(source_of(folder, formula, before, monkeypatch))
    assert len(found) == 2


def test_every_loss_has_code_of_its_own() -> None:
    places = losses_by_class()
    assert all(file_of(module).is_file() for module, _ in places.values())
    assert len({loss_source(name) for name in places}) == len({*places.values()})


def test_the_digest_does_not_depend_on_the_version_of_python() -> None:
    """`ast.unparse` and `ast.dump` write some of it in another way from 3.12 or 3.13 on."""
    tree = ast.parse("def f(a, b=None):\n    return f'{chr(10).join(a)!r:>4}' if b else [None, 0]")
    assert sha256(plain(tree)).startswith("0d56500a7752")
