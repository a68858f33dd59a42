"""Names in messages: suggestions for an unknown name, and long lists cut short."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown loss 'proxy_nac'; did you mean 'proxy_nca'? (known: proxy_nca, triplet)`."""
    choices = list(known)
    return f"unknown {kind} {name!r}{did_you_mean(name, choices)} (known: {', '.join(choices)})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'steps'?`, or nothing if no known name is near."""
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def first_names(names: Iterable[str]) -> str:
    """The first five of the sorted names and the number of the others."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return ", ".join(ordered[:5]) + more
