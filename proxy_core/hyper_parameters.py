"""Types that constructors of losses declare for their arguments, and the check of these types.

A declared type holds the allowed range, `margin: Fraction = 0.1`, and may hold the range in which a
search draws, `Annotated[Fraction, Search(0, 0.6)]`. It is the only statement of these ranges: the
constructor's check, the validation of suites, `proxy-bench tune` and `list losses`, docs/losses.md
and the tests read it. This file imports no torch, so all of them but the first work without it.

Counts and words have no range to search: they say which variant of a loss it is and what it costs,
and stay as a suite has them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from math import pi
from numbers import Integral, Real
from typing import Annotated, Any, Literal, ParamSpec, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Search:
    """The range in which a search draws a number: uniformly, or uniformly in its logarithm."""

    low: float
    high: float
    log: bool = False


Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Distance = Annotated[float, Gt(0), Le(2), Search(0.02, 2, log=True)]  # of unit vectors
BoundaryDistance = Annotated[float, Gt(0), Le(2), Search(0.3, 1.9)]  # of unit vectors
SquaredDistance = Annotated[float, Gt(0), Le(4), Search(0.01, 2, log=True)]  # of unit vectors
# 2 is the largest difference of two cosines.
CosineMargin = Annotated[float, Ge(0), Le(2), Search(0, 0.8)]
Cosine = Annotated[float, Ge(-1), Le(1), Search(-0.2, 1)]
Angle = Annotated[float, Ge(0), Le(pi / 2), Search(0, 1)]  # radians
Count = Annotated[int, Ge(1)]
CountPerClass = Annotated[int, Ge(1), Le(1000)]
ProxiesPerClass = Annotated[float, Gt(0), Le(1000)]

Scale = Annotated[Positive, Search(1, 256, log=True)]  # of cosines
Temperature = Annotated[Positive, Search(0.004, 2, log=True)]  # by which cosines are divided
PairMargin = Annotated[Positive, Search(0.02, 5, log=True)]  # of distances, without an upper end

AssignmentRule = Literal["static", "dynamic"]
Reduction = Literal["sum", "mean"]
CenterUpdate = Literal["paper", "gradient"]
Boundaries = Literal["one", "per class"]
Mining = Literal["random", "all", "semi-hard", "hard", "distance-weighted"]
Surrogate = Literal["margin", "nca"]


def checked(constructor: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """The constructor, which raises ValueError for an argument outside its declared type."""

    @wraps(constructor)
    def check_and_construct(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        given = signature(constructor).bind(*args, **kwargs).arguments
        for name, declared in get_type_hints(constructor, include_extras=True).items():
            if name in given and get_origin(declared) not in (Annotated, Literal):
                raise ValueError(
                    f"{name} of {constructor.__qualname__} is declared as {declared!r}, without a "
                    "range; declare it as a type of proxy_core.hyper_parameters, such as Count"
                )
            if name in given and not is_allowed(given[name], declared):
                raise ValueError(f"{name} is {given[name]!r}: it must be {allowed(declared)}")
        constructor(*args, **kwargs)

    return check_and_construct


def is_allowed(value: Any, declared: Any) -> bool:
    """Whether a declared type allows a value; a number must be finite, and a bool is not one."""
    if get_origin(declared) is Literal:
        return value in get_args(declared)
    kind, low, *high = bounds(declared)
    is_number = isinstance(value, Integral if kind is int else Real)
    if not is_number or isinstance(value, bool) or not math.isfinite(value):
        return False
    above = value > low.gt if isinstance(low, Gt) else value >= low.ge
    return bool(above and all(value <= bound.le for bound in high))


def bounds(declared: Any) -> tuple[Any, ...]:
    """Type of a number, its lower end and, if there is one, its upper end."""
    return tuple(part for part in get_args(declared) if not isinstance(part, Search))


def search_range(declared: Any) -> Search | None:
    """The range in which a search draws the hyper-parameter; None for counts and words."""
    return next((part for part in get_args(declared) if isinstance(part, Search)), None)


def allowed(declared: Any) -> str:
    """A declared type in words: `a number in (0, 2]`, `a whole number in [1, 9]`, `'a' or 'b'`."""
    if get_origin(declared) is Literal:
        *others, last = map(repr, get_args(declared))
        return f"{', '.join(others)} or {last}"
    kind, low, *high = bounds(declared)
    lowest = f"({low.gt:g}" if isinstance(low, Gt) else f"[{low.ge:g}"
    highest = f"{high[0].le:g}]" if high else "inf)"
    return f"a {'whole ' if kind is int else ''}number in {lowest}, {highest}"
