"""Templates as functions of JavaScript: an exported page is drawn from those of the browser.

This is the part of Jinja that these use; what is missing here is an error."""

import json
from collections.abc import Sequence

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from bench.reporting.tables import templates

COMPARED = {"eq": "===", "ne": "!==", "gt": ">", "lt": "<"}
FILTERS = (  # of `templating.js`
    "format",
    "int",
    "length",
    "list",
    "map",
    "max",
    "rejectattr",
    "replace",
    "safe",
    "select",
    "selectattr",
    "short",
    "sum",
)
COUNTED = {nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*"}


def scripts(names: Sequence[str]) -> str:
    """Statements that add templates of the browser to `templates`, which `templating.js` declares;
    one that imports another comes after it.

    Raises: NotImplementedError naming the template and the line of what cannot be translated.
    """
    environment = templates("demo")
    assert environment.loader
    found = []
    for name in names:
        source = environment.loader.get_source(environment, name)[0]
        try:
            found.append(module(name, environment.parse(source, name)))
        except NotImplementedError as error:
            raise NotImplementedError(f"{name}: {error}") from None
    return "\n".join(found)


def module(name: str, template: nodes.Template) -> str:
    """A template: its macros, and `show` of the values that it needs."""
    imports = [node for node in template.body if isinstance(node, nodes.FromImport)]
    macros = [node for node in template.body if isinstance(node, nodes.Macro)]
    body = [node for node in template.body if node not in [*imports, *macros]]
    needed = ", ".join(f"{key}: ${key}" for key in sorted(find_undeclared_variables(template)))
    own = ", ".join(f"{macro.name}: ${macro.name}" for macro in macros)
    lines = [*map(statement, [*imports, *macros]), f"const show = ({{{needed}}}) => {block(body)};"]
    return (
        f"templates[{quoted(name)}] = (() => {{\n{''.join(lines)}\nreturn {{show, {own}}};\n}})();"
    )


def block(body: Sequence[nodes.Node]) -> str:
    """The body of a function that returns the HTML of nodes."""
    names = "".join(f", {name}" for name in assigned(body))
    return f'{{let out = ""{names};{inner(body)}return raw(out);}}'


def inner(body: Sequence[nodes.Node]) -> str:
    return "".join(map(statement, body))


def assigned(body: Sequence[nodes.Node]) -> list[str]:
    """Names that nodes set; loops and macros have names of their own."""
    found: dict[str, None] = {}
    for node in body:
        if isinstance(node, nodes.Assign):
            found |= dict.fromkeys(names_in(node.target))
        if isinstance(node, nodes.If):
            found |= dict.fromkeys(assigned([*node.body, *node.elif_, *node.else_]))
    return list(found)


def names_in(target: nodes.Node) -> list[str]:
    items = target.items if isinstance(target, nodes.Tuple) else [target]
    return [expression(item) for item in items]


def statement(node: nodes.Node) -> str:
    match node:
        case nodes.Output():
            return "".join(f"out += {shown(part)};" for part in node.nodes)
        case nodes.If():
            ways = [f"if ({truth(way.test)}) {{{inner(way.body)}}}" for way in [node, *node.elif_]]
            return " else ".join(ways) + (f" else {{{inner(node.else_)}}}" if node.else_ else "")
        case nodes.For(test=condition):
            target = expression(node.target)
            kept = f".filter(({target}) => {truth(condition)})" if condition else ""
            return (
                f"out += each({expression(node.iter)}{kept}, ({target}, $loop) => "
                f"{block(node.body)});"
            )
        case nodes.Assign():
            return f"{expression(node.target)} = {expression(node.node)};"
        case nodes.Macro():
            first = len(node.args) - len(node.defaults)
            defaults = [""] * first + [f" = {expression(value)}" for value in node.defaults]
            pairs = zip(node.args, defaults, strict=True)
            arguments = ", ".join(f"{expression(name)}{default}" for name, default in pairs)
            return f"const ${node.name} = ({arguments}) => {block(node.body)};\n"
        case nodes.FromImport(template=nodes.Const(value=source)):
            named = [name if isinstance(name, tuple) else (name, name) for name in node.names]
            own = ", ".join(f"{name}: ${alias}" for name, alias in named)
            return f"const {{{own}}} = templates[{quoted(source)}];\n"
    raise unknown(node)


def shown(part: nodes.Node) -> str:
    if isinstance(part, nodes.TemplateData):
        return quoted(part.data)
    return f"escaped({expression(part)})"


def expression(node: nodes.Node) -> str:
    match node:
        case nodes.Const():
            return quoted(node.value)
        case nodes.Name():
            return f"${node.name}"
        case nodes.Tuple() | nodes.List():
            return f"[{', '.join(map(expression, node.items))}]"
        case nodes.Dict():
            pairs = (f"[{expression(p.key)}]: {expression(p.value)}" for p in node.items)
            return f"({{{', '.join(pairs)}}})"
        case nodes.Getattr():
            return f"{expression(node.node)}.{node.attr}"
        case nodes.Getitem():
            return f"{expression(node.node)}[{expression(node.arg)}]"
        case nodes.Call(node=nodes.Getattr(node=mapping, attr="items"), args=[]):
            return f"Object.entries({expression(mapping)})"
        case nodes.Call() if not node.kwargs:
            return f"{expression(node.node)}({', '.join(map(expression, node.args))})"
        case nodes.Filter() if node.node is not None and node.name in FILTERS:
            named = [f"{{{k.key}: {expression(k.value)}}}" for k in node.kwargs]
            values = [expression(node.node), *map(expression, node.args), *named]
            return f"filters.{node.name}({', '.join(values)})"
        case nodes.Test(name="none"):
            return f"({expression(node.node)} === null)"
        case nodes.Not():
            return f"!{truth(node.node)}"
        case nodes.And():
            return f"({truth(node.left)} && {truth(node.right)})"
        case nodes.Or():
            return f"({truth(node.left)} || {truth(node.right)})"
        case nodes.CondExpr():
            other = expression(node.expr2) if node.expr2 else '""'
            return f"({truth(node.test)} ? {expression(node.expr1)} : {other})"
        case nodes.Concat():
            return f"joined({', '.join(map(expression, node.nodes))})"
        case nodes.Mod():
            return f"filters.format({expression(node.left)}, {expression(node.right)})"
        case nodes.Compare(ops=[operand]):
            return comparison(node.expr, operand)
        case nodes.Add() | nodes.Sub() | nodes.Mul():
            left, right = expression(node.left), expression(node.right)
            return f"({left} {COUNTED[type(node)]} {right})"
    raise unknown(node)


def comparison(left: nodes.Node, operand: nodes.Operand) -> str:
    one, other = expression(left), expression(operand.expr)
    if operand.op in ("in", "notin"):
        return f"{'!' * (operand.op == 'notin')}has({other}, {one})"
    if operand.op not in COMPARED:
        raise unknown(operand)
    return f"({one} {COMPARED[operand.op]} {other})"


def truth(node: nodes.Node) -> str:
    return f"truth({expression(node)})"


def quoted(value: object) -> str:
    return json.dumps(value)


def unknown(node: nodes.Node) -> NotImplementedError:
    return NotImplementedError(f"line {node.lineno}: {type(node).__name__} is not translated")
