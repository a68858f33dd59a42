"""The code of a loss: a formula that was edited is told from the one that stored runs had."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bench.spec import sha256
from bench.suites.arguments import file_of, is_module, losses_by_class, modules_of, parse

# Of these, functions and classes do not count: they refuse arguments, and compute nothing.
CHECKS = "proxy_core.checks", "proxy_core.hyper_parameters"
DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom
# A module's package runs first. Of these, that would be all losses, which few use.
NOT_RUN = "", "proxy_core", "proxy_core.losses"


@cache
def loss_source(name: str) -> str:
    """SHA-256 of the code that a loss uses: its module and all modules of proxy_core that this one
    and those import, without comments, docstrings, types of functions and layout.

    Whole modules count, because any statement may change what another one computes. What comes from
    elsewhere is not in it: other packages, files, modules that `import_module` loads, and what a
    module that the loss does not import puts into it. The same in every version of Python.
    """
    module, class_name = losses_by_class()[name]
    found: dict[str, object] = {}
    waiting = [module]
    while waiting:
        module = waiting.pop()
        if module not in found:
            tree = parse(module)
            found[module] = plain(constants(tree) if module in CHECKS else tree.body)
            waiting += imported(module, tree)
            package = module.rpartition(".")[0]
            waiting += [package] if package not in NOT_RUN and is_module(package) else []
    return sha256({"class": class_name, "modules": found})


def was_edited(record: Mapping[str, Any]) -> bool:
    """Whether a run was trained by other code of its loss than is here now. Earlier runs, and those
    without a loss, do not say."""
    source, name = record.get("loss_source"), record["spec"]["loss"]
    return bool(source) and (name not in losses_by_class() or source != loss_source(name))


def constants(tree: ast.Module) -> list[ast.stmt]:
    """What a module defines or changes but functions, classes and types, such as `Annotated[...]`,
    whose ranges compute nothing."""
    return [part for part in tree.body if not isinstance(part, DEFINITIONS) and not is_alias(part)]


def is_alias(part: ast.stmt) -> bool:
    """Whether a statement gives a type a name."""
    value = part.value if isinstance(part, ast.Assign) else None
    return isinstance(value, ast.Subscript) and ast.unparse(value.value) in ("Annotated", "Literal")


def imported(module: str, tree: ast.Module) -> Iterator[str]:
    """The modules of proxy_core that a module imports, or imports names from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from modules_of(alias.name)
        elif isinstance(node, ast.ImportFrom):
            origin = origin_of(module, node)
            for alias in node.names:
                own = f"{origin}.{alias.name}"
                yield from modules_of(own if is_module(own) else origin)


def origin_of(module: str, part: ast.ImportFrom) -> str:
    """The module that a statement of another one imports from, which it may name relatively."""
    if not part.level:
        return part.module or ""
    up = part.level - (file_of(module).name == "__init__.py")
    package = module.split(".")[: -up or None]
    return ".".join([*package, *filter(None, [part.module])])


def plain(node: object) -> object:
    """A part of a syntax tree as lists of words, without docstrings, types of functions and empty
    fields."""
    if isinstance(node, list):
        return [plain(part) for part in node if not is_docstring(part)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):  # some versions of Python add empty texts
        node = ast.JoinedStr([part for part in node.values if not is_empty(part)])
    kept = [
        [name, plain(value)]
        for name, value in ast.iter_fields(node)
        if value not in (None, []) and not is_type(node, name)
    ]
    return [type(node).__name__, *kept]


def is_docstring(part: object) -> bool:
    """Whether a statement is nothing but a constant."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


def is_empty(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and part.value == ""


def is_type(node: ast.AST, field: str) -> bool:
    """Whether a field is the type of an argument or result: those of attributes may compute, as in
    a dataclass."""
    return field == "returns" or (field == "annotation" and isinstance(node, ast.arg))
