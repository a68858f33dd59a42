"""Names and paths of this machine and its user, which nothing that is sent may hold."""

import getpass
import json
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

NOBODY = ("admin", "localhost", "root", "runner", "ubuntu", "user")  # names that name no one
SHORTEST = 3  # letters of a name; shorter ones occur by chance
HEADER = 8  # bytes that hold the length of a safetensors file's header


def traces(*folders: Path) -> dict[str, str]:
    """What to look for, with a word for it: paths, the user's name and the computer's."""
    paths = {str(path.absolute()): "the path" for path in (Path.home(), Path.cwd(), *folders)}
    names = {name: "the user name" for name in user_names()}
    host = socket.gethostname()
    names |= dict.fromkeys((host, host.partition(".")[0]), "the host name")
    known = {
        name: word
        for name, word in names.items()
        if len(name) >= SHORTEST and name.lower() not in NOBODY
    }
    return {path: word for path, word in paths.items() if path != "/"} | known


def user_names() -> list[str]:
    try:
        return [getpass.getuser()]
    except (OSError, KeyError):  # a user without a name
        return []


def find_traces(
    folder: Path, searched: Mapping[str, str], allowed: Collection[str] = ()
) -> Iterator[str]:
    """Files of a folder with a trace of their maker, and which one.

    Paths are looked for in every byte; names as whole words, and not among the numbers of arrays,
    where a few letters occur by chance. allowed: words that may occur.
    """
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        text = words_of(file, content)
        for trace, word in searched.items():
            found = occurs(trace, content) if trace.startswith("/") else names(trace, text)
            if found and trace not in allowed:
                yield f"{file.relative_to(folder)} has {word} {trace!r}"


def occurs(path: str, content: bytes) -> bool:
    """Whether a path occurs, as it is or as JSON writes it."""
    return any(form.encode(errors="replace") in content for form in (path, json.dumps(path)[1:-1]))


def names(name: str, text: str) -> bool:
    """Whether a name occurs as a whole word, in any case."""
    return any(
        re.search(rf"(?<![^\W_]){re.escape(form)}(?![^\W_])", text, re.IGNORECASE)
        for form in (name, json.dumps(name)[1:-1])
    )


def words_of(file: Path, content: bytes) -> str:
    """The text of a file; of arrays, their header."""
    if file.suffix == ".safetensors":
        content = content[: HEADER + int.from_bytes(content[:HEADER], "little")]
    return content.decode(errors="replace")
