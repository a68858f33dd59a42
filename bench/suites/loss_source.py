"""The code of a loss: a formula that was edited is told from the one that stored runs had."""

import ast
from collections.abc import Iterator
from functools import cache

from bench.spec import sha256
from bench.suites.arguments import file_of, is_module, losses_by_class, parse

CHECKS = "proxy_core.checks", "proxy_core.hyper_parameters"  # these refuse, they compute nothing
DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef
Place = tuple[str, str]  # a module of proxy_core, and a name in it; all of it if that is empty


@cache
def loss_source(name: str) -> str:
    """SHA-256 of the code of a loss and of all in proxy_core that it uses, without comments,
    docstrings and layout; the same in every version of Python. What it uses from elsewhere is not
    in it."""
    found: dict[Place, object] = {}
    waiting = [losses_by_class()[name]]
    while waiting:
        place = waiting.pop()
        if place in found or place[0] in CHECKS or not is_module(place[0]):
            continue
        code = code_at(*place)
        found[place] = [plain(part) for part in code]
        waiting += [used for part in code for used in uses(place[0], part)]
    return sha256({" ".join(place): found[place] for place in found})


def code_at(module: str, name: str) -> list[ast.stmt]:
    """The statements of a module that define a name."""
    return [part for part in parse(module).body if not name or {name, "*"} & {*defined(part)}]


def defined(part: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines."""
    if isinstance(part, ast.FunctionDef | ast.ClassDef):
        yield part.name
    elif isinstance(part, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in part.names)
    else:
        yield from (
            node.id
            for node in ast.walk(part)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )


def uses(module: str, part: ast.stmt) -> Iterator[Place]:
    """What a statement of a module may use: names of the module, and what it imports."""
    if isinstance(part, ast.Import):
        yield from ((alias.name, "") for alias in part.names)
    elif isinstance(part, ast.ImportFrom):
        origin = origin_of(module, part)
        for alias in part.names:
            yield origin, "" if alias.name == "*" else alias.name
            yield f"{origin}.{alias.name}", ""
    else:
        yield from {(module, node.id) for node in ast.walk(part) if isinstance(node, ast.Name)}


def origin_of(module: str, part: ast.ImportFrom) -> str:
    """The module that a statement of another one imports from, which it may name relatively."""
    if not part.level:
        return part.module or ""
    up = part.level - (file_of(module).name == "__init__.py")
    package = module.split(".")[: -up or None]
    return ".".join([*package, *filter(None, [part.module])])


def plain(node: object) -> object:
    """A part of a syntax tree as lists of words, without docstrings and empty fields."""
    if isinstance(node, list):
        return [plain(part) for part in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
        node.body = node.body[1:]
    fields = [
        [name, plain(value)] for name, value in ast.iter_fields(node) if value not in (None, [])
    ]
    return [type(node).__name__, *fields]
