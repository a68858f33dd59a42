"""The code of a loss is told from another by what it computes with, not by its comments."""

import ast
from pathlib import Path

import pytest

from bench.spec import sha256
from bench.suites import arguments
from bench.suites.arguments import declared_losses, file_of, losses_by_class
from bench.suites.loss_source import loss_source, plain, was_edited

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
    "another type": (FORMULA.replace("forward(self, x)", "forward(self, x: int)"), PART, True),
    "a table that is changed": (
        FORMULA.replace("2 *", "T['k'] *") + "\n\nT = {}\nT['k'] = 2\n",
        PART,
        False,
    ),
    "a docstring of a part": (FORMULA, '"""Parts."""\n' + PART, True),
    "a string that nothing uses": (FORMULA.replace("return", '"said"\n        return'), PART, True),
    "a part that it uses": (
        FORMULA.replace("2 *", "twice").replace("twice parts_of_mine.half(x)", "twice(x)")
        + "\n\ndef twice(x):\n    return 2 * x\n",
        PART,
        False,
    ),
}


# What follows changes what a part computes, or what the loss takes from it, in ways that names in
# the loss alone do not show.
FILLED = "\n\nfrom proxy_core.losses.parts_of_mine import FACTORS\n"
IN_PART = "FACTORS = {'k': 2}\n\n\ndef half(x):\n    return x / FACTORS['k']\n"
BASE = FORMULA + "\n\nT = {'k': 1}\n"
SILENT = {
    "an imported table that is filled": (FORMULA + FILLED, "FACTORS['k'] = 4\n"),
    "attributes that are set in a loop": (FORMULA, "for own in (Mine,):\n    own.k = 4\n"),
    "an entry that is taken away": (BASE, "del T['k']\n"),
    "an entry that is taken out": (BASE, "old = T.pop('k')\n"),
    "a table by another name": (BASE, "S = T\nS['k'] = 3\n"),
    "a global name": (BASE, "def change():\n    global T\n    T = 3\n\n\nchange()\n"),
    "names of the module": (BASE, "globals()['T'] = 3\n"),
}


@pytest.mark.parametrize("edit", SILENT)
def test_any_statement_of_a_module_counts(
    edit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula, added = SILENT[edit]
    before = source_of(tmp_path / "before", formula, IN_PART, monkeypatch)
    assert source_of(tmp_path / "now", formula + added, IN_PART, monkeypatch) != before


def test_types_of_attributes_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = "@dataclass\nclass P:\n    a: {} = 3\n"
    found = {
        source_of(tmp_path / kind, FORMULA, PART + part.format(kind), monkeypatch)
        for kind in ("int", "ClassVar[int]")
    }
    assert len(found) == 2


@pytest.mark.parametrize("module", ["checks", "hyper_parameters"])
def test_of_modules_that_refuse_only_constants_count(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = [
        "K = 2\n",
        "K = 2\n\n\ndef check(x):\n    raise ValueError('other')\n",
        "import math\nK = 2\nPositive = Annotated[float, Gt(0)]\n",
    ]
    others = ["K = 3\n", "K = 2\nK += 1\n", "K = 2\nif True:\n    K = 3\n", "K = (2, 3)[1]\n"]
    found: list[str] = []
    for text in same + others:
        folder = tmp_path / str(len(found))
        folder.mkdir()
        (folder / f"{module}.py").write_text(text)
        formula = f"from proxy_core.{module} import K\n{FORMULA}"
        found.append(source_of(folder, formula, PART, monkeypatch))
    assert len({*found[: len(same)]}) == 1
    assert len({*found}) == 1 + len(others)


def test_the_file_of_a_package_counts_with_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set[str]()
    for text in ("", "from . import deep\ndeep.K = 2\n"):
        parts = tmp_path / str(len(found)) / "losses" / "parts"
        parts.mkdir(parents=True)
        (parts / "__init__.py").write_text(text)
        (parts / "deep.py").write_text(PART)
        formula = f"from proxy_core.losses.parts.deep import half\n{FORMULA}"
        found.add(source_of(parts.parent.parent, formula, PART, monkeypatch))
    assert len(found) == 2


def test_a_loss_that_is_not_here_was_edited() -> None:
    name = next(iter(losses_by_class()))
    for loss, source, edited in [
        (name, loss_source(name), False),
        (name, None, False),
        (name, "0" * 64, True),
        ("another", "0" * 64, True),
    ]:
        assert was_edited({"spec": {"loss": loss}, "loss_source": source}) == edited


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
        ("from proxy_core.losses import parts; half = parts.deep.half", "parts/deep.py"),
        ("from . import parts; half = parts.deep.half", "parts/deep.py"),
        ("from .folder.deep import half", "folder/deep.py"),
        ("import proxy_core.losses.folder as f; half = f.deep.half", "folder/deep.py"),
        ("import proxy_core.losses.parts as p; half = p.deep.half", "parts/deep.py"),
        ("import proxy_core; half = proxy_core.losses.parts.deep.half", "parts/deep.py"),
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
        for package in {folder, folder / "losses", part.parent}:
            if package.name != "folder":
                (package / "__init__.py").touch()
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
    nested = ast.parse("f'{a:{b}}'", mode="eval")
    assert sha256(plain(nested)).startswith("2e618dbdeb20")
