"""Losses and backbones as the source of proxy_core and timm declares them, and arguments of a loss.

Everything is read from the source and not imported, because importing a loss loads torch: suites
can be checked, and losses listed, without it.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from bench.suggest import brief, unknown
from proxy_core import hyper_parameters

REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)  # in timm's source


@dataclass(frozen=True)
class Declaration:
    """What the source says of one entry of LOSSES.

    Attributes: family, the docstring of the file that defines the loss; module, its dotted name;
    docstring, that of the class; hyper_parameters, the declared type and the default of each
    keyword of the constructor.
    """

    family: str
    module: str
    docstring: str
    hyper_parameters: Mapping[str, tuple[Any, Any]]

    @property
    def title(self) -> str:
        """Name of the family: the first line of the file's docstring up to its colon."""
        return self.family.split("\n")[0].split(":")[0].removesuffix(".")

    @property
    def summary(self) -> str:
        """First line of the class's docstring."""
        return self.docstring.split("\n")[0]

    @property
    def paper(self) -> str:
        """Address of the paper: the first one in the class's docstring."""
        found = re.search(r"https://[^\s),;]*[^\s).,:;]", self.docstring)
        return found[0] if found else ""

    @property
    def defaults(self) -> list[str]:
        """Hyper-parameters as a suite writes them, with their types and the ranges of a search:
        `scale = 18.0  # a number in (0, inf); searched: 1 to 256, log`."""
        return [
            f"{name} = {json.dumps(default)}  # {hyper_parameters.allowed(declared)}"
            f"{searched(declared)}"
            for name, (declared, default) in self.hyper_parameters.items()
        ]


def searched(declared: Any) -> str:
    """The range in which a search draws a hyper-parameter, or nothing."""
    found = hyper_parameters.search_range(declared)
    scale = ", log" if found and found.log else ""
    return f"; searched: {found.low:g} to {found.high:g}{scale}" if found else ""


@cache
def declared_losses() -> dict[str, Declaration]:
    """Every entry of `proxy_core.losses.LOSSES` by its name, in the order of that table."""
    return {name: declaration(*place) for name, place in losses_by_class().items()}


def losses_by_class() -> dict[str, tuple[str, str]]:
    """The module and the class of every entry of `proxy_core.losses.LOSSES` by its name.

    Raises: ValueError if the file does not import a class as it is read here.
    """
    package = parse("proxy_core.losses.__init__")
    modules = {
        alias.name: str(node.module)
        for node in package.body
        if isinstance(node, ast.ImportFrom) and not node.level and is_module(str(node.module))
        for alias in node.names
        if not alias.asname
    }
    found = table(package, "LOSSES")
    for name, own in found.items():
        if own not in modules:
            raise ValueError(
                f"proxy_core/losses/__init__.py has the loss {name!r} as {own}; import its class "
                "there by its whole name, `from proxy_core.losses.FILE import CLASS`"
            )
    return {name: (modules[own], own) for name, own in found.items()}


@cache
def backbones() -> list[str]:
    """Names of `proxy_core.models.backbones.BACKBONES`."""
    return list(table(parse("proxy_core.models.backbones"), "BACKBONES"))


@cache
def timm_networks() -> list[str]:
    """Names of the networks of timm; empty if it is not installed."""
    found = find_spec("timm")
    if found is None or found.origin is None:
        return []
    sources = sorted(Path(found.origin).parent.joinpath("models").glob("*.py"))
    return [name for path in sources for name in REGISTERED.findall(path.read_text("utf-8"))]


def is_module(name: str) -> bool:
    """Whether proxy_core has a module of this dotted name."""
    return name.split(".")[0] == "proxy_core" and file_of(name).is_file()


def modules_of(name: str) -> Iterator[str]:
    """A module of proxy_core, or a package with all that it holds; nothing if it is another's."""
    package, *folders = name.split(".")
    if package != "proxy_core":
        return
    if is_module(name):
        yield name
    folder = files("proxy_core").joinpath(*folders)
    for child in folder.iterdir() if folder.is_dir() else ():
        own = child.name.removesuffix(".py")
        if own.isidentifier() and own not in ("__init__", "__pycache__"):
            yield from modules_of(f"{name}.{own}")


def parse(module: str) -> ast.Module:
    """Syntax tree of a module of proxy_core. Raises: ValueError if it has none."""
    try:
        return ast.parse(file_of(module).read_bytes())  # in the encoding that it declares
    except SyntaxError as error:
        raise ValueError(f"{module}, line {error.lineno}: {error.msg}") from error


def file_of(module: str) -> Traversable:
    """The file of a module or package of proxy_core, which need not be there."""
    _, *folders = module.split(".")
    package = files("proxy_core").joinpath(*folders, "__init__.py")
    if not folders or package.is_file():
        return package
    return files("proxy_core").joinpath(*folders[:-1], f"{folders[-1]}.py")


def table(module: ast.Module, name: str) -> dict[str, str]:
    """Keys and names of the values of a dictionary that a module defines with a type.

    Raises: ValueError if it is written in another way.
    """
    found = [
        node.value
        for node in module.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name
    ]
    if len(found) == 1 and isinstance(found[0], ast.Dict):
        keys = [key.value for key in found[0].keys if isinstance(key, ast.Constant)]
        if len(keys) == len(found[0].keys):
            return dict(zip(map(str, keys), map(ast.unparse, found[0].values), strict=True))
    raise ValueError(
        f"{name} of proxy_core is read from its source; write it as one table, "
        f'`{name}: dict[...] = {{"name": Class, ...}}`'
    )


def declaration(module: str, class_name: str) -> Declaration:
    """What the source of a module declares of one class.

    Raises: ValueError if its constructor, or a type or default of it, cannot be read there.
    """
    tree = parse(module)
    found = [
        (node, own.args)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == class_name
        for own in node.body
        if isinstance(own, ast.FunctionDef) and own.name == "__init__"
    ]
    if len(found) != 1:
        raise ValueError(
            f"{module} has no class {class_name} with an `__init__` of its own; write one that "
            "declares all hyper-parameters, because they are read from the source"
        )
    [(definition, arguments)] = found
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return Declaration(
        family=ast.get_docstring(tree) or "",
        module=module,
        docstring=ast.get_docstring(definition) or "",
        hyper_parameters={
            argument.arg: (
                evaluate(argument.annotation, f"type of {argument.arg} of {class_name}"),
                evaluate(default, f"default of {argument.arg} of {class_name}"),
            )
            for argument, default in keywords
        },
    )


def evaluate(node: ast.expr | None, what: str) -> Any:
    """Value of an annotation or a default, with the names of `proxy_core.hyper_parameters`.

    Raises: ValueError, which says what it is, if it is missing or has other names.
    """
    if node is None:
        raise ValueError(f"the {what} is missing; every hyper-parameter needs a type and a default")
    try:
        return eval(ast.unparse(node), vars(hyper_parameters).copy())
    except NameError as error:
        raise ValueError(
            f"the {what} is {ast.unparse(node)}: {error}; it is read from the source, with the "
            "names of proxy_core.hyper_parameters alone"
        ) from error


def resolve_arguments(loss: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """All hyper-parameters of a loss: the given ones, checked against their types, and defaults.

    Raises: ValueError with one line per mistake.
    """
    fields: dict[str, Any] = dict(declared_losses()[loss].hyper_parameters)
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    schema = create_model(loss, __config__=config, **fields)
    try:
        resolved: dict[str, Any] = schema.model_validate(args).model_dump()
    except ValidationError as error:
        lines = [argument_mistake(loss, item, fields) for item in error.errors()]
        raise ValueError("\n".join(lines)) from error
    return resolved


def argument_mistake(loss: str, item: Any, fields: Mapping[str, Any]) -> str:
    """One of pydantic's errors in one line."""
    name = str(item["loc"][0])
    if item["type"] == "extra_forbidden":
        return unknown(f"hyper-parameter of {loss}", name, fields)
    return f"{name}: {item['msg']}, found {brief(item['input'])}"
