"""Results from others: what a submission and its acceptance say, and how accepted ones are read.

<results>/community/<name>/
    submission.json   schema, versions, digests of all other files; written by `pack`
    accepted.json     what was verified, how and where; written by `accept`
    suite.toml        the suite of the runs
    until-decided/    how its seeds grew, if they did
    runs/             as in a folder of results, but without networks
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from bench.spec import Line
from bench.store.record import Count, Part, Sha256, first_mistake
from bench.store.runs import Run, digest_of, scan

COMMUNITY = "community"  # the folder in that of results
SUBMISSION, ACCEPTED, SUITE = "submission.json", "accepted.json", "suite.toml"
PLAN = "until-decided/suite.json"  # `plan_path` of the suite above
Text = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Form = TypeVar("Form", bound=Part)
Kept = Literal["accepted", "accepted with explained differences", "accepted without all scores"]
Verdict = Literal[Kept, "refused"]


class Strict(Part):
    """Known fields alone."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Submission(Strict):
    """`submission.json`: versions, of the packages that packed it; files, the digest of every other
    file by its path; title and author, as the submitter gave them."""

    schema_: Literal[1] = Field(alias="schema")
    protocol: Count
    versions: dict[str, str]
    title: Text | None = None
    author: Text | None = None
    files: dict[str, Sha256]


class Accepted(Strict):
    """`accepted.json`.

    submission, the digest of `submission.json`; verdict; draw, of the lot of runs that were trained
    again; trained, the names of these; checked and not_checked, in words; differences that another
    processor or version explains, in words; environment, where it was verified.
    """

    schema_: Literal[1] = Field(alias="schema")
    submission: Sha256
    verdict: Kept
    draw: Count
    trained: list[str]
    checked: list[str]
    not_checked: list[str]
    differences: list[str]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Community:
    """An accepted submission: its name, what it and its acceptance say, and its runs."""

    name: str
    submission: Submission
    accepted: Accepted
    runs: list[Run]


def read_submission(folder: Path) -> Submission:
    """`submission.json` of a folder. Raises: ValueError naming the first field that is wrong."""
    return read_part(folder / SUBMISSION, Submission)


def read_part(path: Path, form: type[Form]) -> Form:
    """A JSON file of a form. Raises: ValueError naming the file and what is wrong."""
    try:
        return form.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing") from error
    except ValidationError as error:
        raise ValueError(f"{path} {first_mistake(error)}") from error


def read_community(folder: Path) -> tuple[list[Community], list[str]]:
    """The accepted submissions of a folder, whole and unchanged, and what is wrong with others."""
    found, problems = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or not path.is_dir():
            continue
        try:
            found.append(read_accepted(path))
        except (ValueError, OSError) as error:
            problems.append(f"{error}; the results in {path} are left out")
    return found, problems


def read_accepted(folder: Path) -> Community:
    """An accepted submission. Raises: ValueError if it was not accepted, or changed since."""
    if not (folder / ACCEPTED).exists():
        raise ValueError(f"{folder} was not accepted yet: `proxy-bench accept` verifies it")
    accepted = read_part(folder / ACCEPTED, Accepted)
    submission = read_submission(folder)
    if digest_of(folder / SUBMISSION) != accepted.submission:
        raise ValueError(f"{folder / SUBMISSION} was changed after it was accepted")
    for problem in changed(folder, submission.files):
        raise ValueError(problem)
    runs, errors = scan(folder)
    for error in errors:
        raise error
    return Community(folder.name, submission, accepted, runs)


def changed(folder: Path, digests: Mapping[str, str]) -> Iterator[str]:
    """Files that are missing or do not have their digests."""
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing"
        elif (found := digest_of(path)) != digest:
            yield f"{path} has the digest {found[:12]}, {SUBMISSION} {digest[:12]}"
