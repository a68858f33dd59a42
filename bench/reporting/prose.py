"""Docstrings, which are plain text with `code` in backticks, as Markdown that reads the same."""

import re
from collections.abc import Mapping, Sequence

ADDRESS = r"https?://[^\s)]*[^\s).,:;]"


def escaped(text: str) -> str:
    """Text whose every sign GitHub's Markdown prints as it is, wherever it stands but for the
    start of a paragraph."""
    return re.sub(r"([\\|<>*_`\[\]#~$&])", r"\\\1", text)


def paragraphs(docstring: str) -> list[str]:
    """Paragraphs of a cleaned docstring, and items of its lists ("- item"), each on one line."""
    parts = re.split(r"\n\s*\n|\n(?=- )", docstring.strip())
    return [" ".join(part.split()) for part in parts]


def prose(paragraph: str, references: Mapping[str, str]) -> str:
    """One paragraph or less, with its signs kept and its addresses clickable.

    `references` holds what names in backticks link to: "NTXent" -> "#nt_xent".
    """
    parts = re.split(rf"(`[^`]+`|{ADDRESS})", paragraph)
    text = "".join(piece(part, references) for part in parts)
    return re.sub(r"^\+ ", r"\\+ ", text)  # a sum and no list


def labelled(paragraph: str, references: Mapping[str, str]) -> str:
    """As `prose`, with a label at its start, `Call: ...`, in bold."""
    return re.sub(r"^(\w+:) ", r"**\1** ", prose(paragraph, references))


def piece(part: str, references: Mapping[str, str]) -> str:
    """Code, an address, or what stands between them."""
    if part.startswith("`"):
        target = references.get(part.strip("`"))
        return f"[{part}]({target})" if target else part
    return f"<{part}>" if re.fullmatch(ADDRESS, part) else escaped(part)


def row(cells: Sequence[str]) -> str:
    """One line of a table; a bar within a cell, in code too, does not end it."""
    closed = [re.sub(r"(?<!\\)\|", r"\|", cell) for cell in cells]
    return f"| {' | '.join(closed)} |"
