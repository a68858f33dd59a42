"""What the code itself says of every loss: family, source, formula, settings, what it learns."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, get_args, get_type_hints

from bench.reporting.prose import ADDRESS

if TYPE_CHECKING:
    from torch import Tensor, nn

PLUMBING = ("proxy_core.losses.parts.masked_sums",)  # modules without a formula
CLASSES, DIM = 101, 103  # sizes of the small instance: no default is a multiple of either


@dataclass(frozen=True)
class Family:
    """The losses of one source file, by their names in suites; `words` is its docstring."""

    module: str
    words: str
    losses: dict[str, "type[nn.Module]"]

    @property
    def title(self) -> str:
        """First line of the docstring up to its colon."""
        return re.split(r":\s|\.$", self.words.split("\n")[0])[0]

    @property
    def introduction(self) -> str:
        """What follows the title."""
        rest = self.words.removeprefix(self.title).lstrip(":. \n")
        return rest[:1].upper() + rest[1:]


def families() -> list[Family]:
    """All losses, in the order of `LOSSES`, each family where its first loss stands."""
    from proxy_core.losses import LOSSES

    modules = dict.fromkeys(loss.__module__ for loss in LOSSES.values())
    return [
        Family(
            module,
            inspect.getdoc(sys.modules[module]) or "",
            {name: loss for name, loss in LOSSES.items() if loss.__module__ == module},
        )
        for module in modules
    ]


def summary(loss: "type[nn.Module]") -> str:
    """First line of the docstring."""
    return (inspect.getdoc(loss) or "").split("\n")[0]


def link(loss: "type[nn.Module]") -> str:
    """Address of the paper: the first one in the docstring."""
    found = re.search(ADDRESS, inspect.getdoc(loss) or "")
    return found[0] if found else ""


def settings(loss: "type[nn.Module]") -> list[str]:
    """Hyper-parameters with their defaults, `scale = 18.0`, as a suite's `args` take them.

    What else a name may be stands behind it: `over = "mean"  # or "sum"`.
    """
    hints = get_type_hints(loss.__init__)
    parameters = inspect.signature(loss).parameters.values()
    keywords = [item for item in parameters if item.kind is item.KEYWORD_ONLY]
    return [
        f"{p.name} = {json.dumps(p.default)}{others(hints[p.name], p.default)}" for p in keywords
    ]


def others(hint: object, default: object) -> str:
    """The other choices of a `Literal`, as a comment; nothing for another type."""
    names = [json.dumps(name) for name in get_args(hint) if name != default]
    return f"  # or {', '.join(names)}" if names else ""


def formulas(loss: "type[nn.Module]") -> list[Callable[..., object]]:
    """Public functions of the losses' files that `forward` names, in order of their first use.

    Seen through: methods of the class that `forward` calls, and tables of functions by name.
    """
    found: dict[Callable[..., object], None] = {}
    for name in used_names(loss, loss.forward.__code__, {"forward"}):
        value = getattr(sys.modules[loss.__module__], name, None)
        for item in value.values() if isinstance(value, dict) else [value]:
            if inspect.isfunction(item) and is_formula(item):
                found[item] = None
    return list(found)


def used_names(loss: "type[nn.Module]", code: CodeType, seen: set[str]) -> Iterator[str]:
    """Names in a piece of code, in the code within it, and in the own methods that it names."""
    for name in code.co_names:
        yield name
        method = vars(loss).get(name)
        if inspect.isfunction(method) and name not in seen:
            yield from used_names(loss, method.__code__, seen | {name})
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from used_names(loss, constant, seen)


def is_formula(function: Callable[..., object]) -> bool:
    module = function.__module__
    public = not function.__name__.startswith(("_", "check_"))
    return public and module.startswith("proxy_core.losses.") and module not in PLUMBING


def state(loss: "type[nn.Module]") -> tuple[dict[str, str], dict[str, str]]:
    """What is learned and what else a checkpoint keeps, name -> shape, from an instance.

    A size that is no class count, dimension or default of a hyper-parameter stands as a number.
    """
    made = loss(CLASSES, DIM)
    defaults = inspect.signature(loss).parameters.items()
    letters = {p.default: name for name, p in defaults if type(p.default) is int and p.default > 1}
    letters |= {CLASSES: "C", DIM: "D"}
    learned = {name: shape(value, letters) for name, value in made.named_parameters()}
    kept = {name: shape(value, letters) for name, value in made.state_dict().items()}
    return learned, {name: kept[name] for name in kept if name not in learned}


def shape(tensor: "Tensor", letters: dict[int, str]) -> str:
    """`(C, D)`, `(C,)`, or `one number`."""
    sizes = [letters.get(size, str(size)) for size in tensor.shape]
    comma = "," if len(sizes) == 1 else ""
    return f"({', '.join(sizes)}{comma})" if sizes else "one number"
