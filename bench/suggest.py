"""Names in messages: suggestions for an unknown name, long lists cut short, nothing that steers a
terminal."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Control characters but line ends, overrides of the direction of text, and lone surrogates.
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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


def printable(text: object) -> str:
    """Text for a terminal or a file: what would steer or break them is escaped, as in `\\x1b`."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def brief(value: object) -> str:
    """A value as Python writes it, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
