"""Names that a suite may use, checked against the tables they come from.

The tables of losses and backbones need torch, so they are imported when a suite is checked and not
with this module.
"""

import inspect
from collections.abc import Iterable
from typing import Any, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from bench.suggest import unknown

# A suite is checked before its data is known: enough classes for any fraction of proxies.
MANY_CLASSES = 10_000


def known_dataset(name: str) -> str:
    from bench.datasets import find

    find(name)
    return name


def known_backbone(name: str) -> str:
    from proxy_core.models.embedding_model import BACKBONES

    if name not in BACKBONES:
        raise ValueError(unknown("backbone", name, BACKBONES))
    return name


def known_loss(name: str) -> str:
    from proxy_core.losses import LOSSES

    if name not in LOSSES:
        raise ValueError(unknown("loss", name, LOSSES))
    return name


def check_protocol(dataset: str, protocol: str) -> list[str]:
    from bench.datasets import find

    protocols = find(dataset).protocols
    known = protocol in protocols
    return [] if known else [f"split: {unknown('split', protocol, protocols)}"]


def has_photographs(dataset: str) -> bool:
    from bench.datasets import find

    return find(dataset).photographs


def resolve_arguments(loss: str, args: dict[str, Any]) -> dict[str, Any]:
    """A loss's hyper-parameters, checked against its constructor and with its defaults filled in.

    Raises: ValueError with one line per mistake.
    """
    from proxy_core.losses import LOSSES

    constructor = LOSSES[loss].__init__
    hints = get_type_hints(constructor)
    parameters = inspect.signature(constructor).parameters.values()
    keywords = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    fields: dict[str, Any] = {
        name: (hints[name], ... if p.default is p.empty else p.default)
        for name, p in keywords.items()
    }
    schema = create_model(loss, __config__=ConfigDict(extra="forbid", strict=True), **fields)
    try:
        resolved = schema.model_validate(args).model_dump()
    except ValidationError as error:
        lines = [argument_mistake(loss, item, keywords) for item in error.errors()]
        raise ValueError("\n".join(lines)) from error
    check_loss(loss, MANY_CLASSES, resolved)
    return resolved


def check_loss(loss: str, classes: int, args: dict[str, Any]) -> None:
    """Build a loss without its memory. Raises: ValueError for values that it refuses."""
    import torch

    from proxy_core.losses import LOSSES

    with torch.device("meta"):
        LOSSES[loss](classes, 2, **args)


def argument_mistake(loss: str, item: Any, keywords: Iterable[str]) -> str:
    name = str(item["loc"][0])
    if item["type"] == "extra_forbidden":
        return f"{unknown(f'hyper-parameter of {loss}', name, keywords)}"
    return f"{name}: {item['msg']}, found {item['input']!r}"
