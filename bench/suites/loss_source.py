"""The code of a loss: a formula that was edited is told from the one that stored runs had."""

import ast
from collections.abc import Iterator
from functools import cache

from bench.spec import sha256
from bench.suites.arguments import file_of, is_module, losses_by_class, parse

CHECKS = "proxy_core.checks", "proxy_core.hyper_parameters"  # these refuse, they compute nothing
DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
TYPES = "annotation", "returns"  # fields that compute nothing
Place = tuple[str, str]  # a module of proxy_core, and a name in it; all of it if that is empty


@cache
def loss_source(name: str) -> str:
    """SHA-256 of the code of a loss and of all in proxy_core that it uses, without comments,
    docstrings, types and layout; the same in every version of Python. What it uses from elsewhere,
    and what a decorator puts into a table, is not in it."""
    found: dict[Place, object] = {}
    waiting, read = [losses_by_class()[name]], cache(parse)  # many names are of one module
    while waiting:
        place = waiting.pop()
        if place in found or place[0] in CHECKS or not is_module(place[0]):
            continue
        code = code_at(*place, read(place[0]))
        found[place] = [plain(part) for part in code]
        waiting += [used for part in code for used in uses(place[0], part)]
    return sha256({" ".join(place): code for place, code in found.items() if code})


def code_at(module: str, name: str, tree: ast.Module) -> list[ast.stmt]:
    """The statements of a module that define or change a name; of imports no other names."""
    found = [part for part in tree.body if not name or {name, "*"} & {*defined(part)}]
    return [only(name, module, part) if name else part for part in found]


def only(name: str, module: str, part: ast.stmt) -> ast.stmt:
    """An import of that name alone, without the layout of the statement; all others as they are."""
    if not isinstance(part, ast.Import | ast.ImportFrom):
        return part
    names = [alias for alias in part.names if name_of(alias) in (name, "*")]
    if isinstance(part, ast.Import):
        return ast.Import(names=names)
    return ast.ImportFrom(module=origin_of(module, part), names=names, level=0)


def name_of(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def defined(part: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines or may change."""
    if isinstance(part, DEFINITIONS):
        yield part.name
        return
    for node in ast.walk(part):
        if isinstance(node, DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from map(name_of, node.names)
        elif isinstance(node, ast.MatchAs) and node.name:
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Expr) or (
            isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
        ):  # a call, or an assignment to a part, may change all that it names
            yield from (own.id for own in ast.walk(node) if isinstance(own, ast.Name))


def uses(module: str, part: ast.stmt) -> Iterator[Place]:
    """What a statement of a module may use: names of the module, and what it imports."""
    for node in walk(part):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = origin_of(module, node)
            for alias in node.names:
                yield origin, "" if alias.name == "*" else alias.name
                yield f"{origin}.{alias.name}", ""
        elif isinstance(node, ast.Name):
            yield module, node.id


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """`ast.walk` without types."""
    yield node
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children if name not in TYPES else ():
            if isinstance(child, ast.AST):
                yield from walk(child)


def origin_of(module: str, part: ast.ImportFrom) -> str:
    """The module that a statement of another one imports from, which it may name relatively."""
    if not part.level:
        return part.module or ""
    up = part.level - (file_of(module).name == "__init__.py")
    package = module.split(".")[: -up or None]
    return ".".join([*package, *filter(None, [part.module])])


def plain(node: object) -> object:
    """A part of a syntax tree as lists of words, without docstrings, types and empty fields."""
    if isinstance(node, list):
        return [plain(part) for part in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in TYPES}
    if isinstance(node, DEFINITIONS) and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    kept = [[name, plain(value)] for name, value in fields.items() if value not in (None, [])]
    return [type(node).__name__, *kept]
