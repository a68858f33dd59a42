"""The code of a loss: a formula that was edited is told from the one that stored runs had."""

import ast
from collections.abc import Iterator
from functools import cache

from bench.spec import sha256
from bench.suites.arguments import declared_losses, is_module, parse

DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef


@cache
def loss_source(name: str) -> str:
    """SHA-256 of the code of a loss and of all of proxy_core that it imports, without comments,
    docstrings and layout. What it imports from elsewhere is not in it."""
    found, waiting = dict[str, str](), [declared_losses()[name].module]
    while waiting:
        module = waiting.pop()
        if module not in found and is_module(module):
            tree = parse(module)
            waiting += imported(tree)
            found[module] = ast.unparse(without_docstrings(tree))
    return sha256(found)


def imported(tree: ast.Module) -> Iterator[str]:
    """What may be a module among all that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The same tree, changed in place."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
