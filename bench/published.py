"""Published numbers: every row of published.toml, with its source and its conditions.

    from bench.published import published, select

    select(published(), dataset="cub200", dimension=64)

They are printed beside ours and never ranked with them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from bench.datasets import DATASETS
from bench.metrics import describe
from bench.spec import NO_LOSS, Name
from bench.suggest import brief, did_you_mean, unknown
from bench.suites.arguments import declared_losses
from bench.suites.reading import read_toml

FILE = Path(__file__).with_name("published.toml")
OTHERS = ("inshop",)  # data sets with published numbers that cannot be run here
OTHER_LOSS, UNKNOWN, NOT_PRINTED = "other", "unknown", "–"
Unknown = Literal["unknown"]
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Score(BaseModel):
    """A score in percent: its value, the figure after ± if there is one, and how it is printed."""

    model_config = STRICT

    value: float = Field(ge=0, le=100)
    half: float | None = Field(ge=0)
    printed: str


def read_score(cell: Any) -> Any:
    """`68.13±0.31` -> value 68.13, half 0.31, printed `68.13 ± 0.31`."""
    if not isinstance(cell, str):
        return cell
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)(?:±(\d+\.\d+))?", cell)):
        raise ValueError(f"expected a score such as 68.13 or 68.13±0.31, found {brief(cell)}")
    value, half = found.groups()
    return {
        "value": float(value),
        "half": half and float(half),
        "printed": cell.replace("±", " ± "),
    }


def known_score(key: str) -> str:
    """The key; ValueError if no share that we store or could store has it."""
    if not re.fullmatch(r"recall@[1-9]\d*", key) and not describe(key).percent:
        raise ValueError(f"there is no score {brief(key)}")
    return key


def known_dataset(name: str) -> str:
    """The name; ValueError if there is no such data set."""
    if name not in (choices := [*DATASETS, *OTHERS]):
        raise ValueError(unknown("data set", name, choices))
    return name


def losses() -> list[str]:
    """The names in LOSSES, and the two words for what is not there."""
    return [*declared_losses(), NO_LOSS, OTHER_LOSS]


def known_loss(name: str) -> str:
    """The name; ValueError if it is none of `losses`."""
    if name not in losses():
        raise ValueError(unknown("loss", name, losses()))
    return name


ScoreKey = Annotated[str, AfterValidator(known_score)]
Text = Annotated[str, Field(min_length=1)]


class Published(BaseModel):
    """One published row; published.toml describes the fields. None may be left out."""

    model_config = STRICT

    dataset: Annotated[Name, AfterValidator(known_dataset)]
    protocol: Literal["class-disjoint", "official", "re-identification"]
    method: Name
    loss: Annotated[Name, AfterValidator(known_loss)]
    scores: dict[ScoreKey, Annotated[Score, BeforeValidator(read_score)]] = Field(min_length=1)
    plus_minus: Text
    paper: Text
    address: Annotated[str, Field(pattern=r"^https://\S+$")]
    where: Text
    year: Annotated[int, Field(ge=1990, le=2100)] | Unknown
    run_by: Literal["source", "quoted", "unknown"]
    backbone: Text
    weights: Text
    dimension: Annotated[int, Field(ge=1)] | Unknown
    input: Text
    selection: Literal["best epoch on the test set", "fixed", "validation", "unknown"]
    training: Text
    notes: tuple[Text, ...]

    @model_validator(mode="after")
    def check_recalls(self) -> Self:
        recalls = sorted(
            (int(key.removeprefix("recall@")), score.value)
            for key, score in self.scores.items()
            if key.startswith("recall@")
        )
        for (k, value), (larger, after) in pairwise(recalls):
            if after < value:
                raise ValueError(f"R@{larger} is {after:g}, below R@{k}, which is {value:g}")
        return self

    @model_validator(mode="after")
    def check_plus_minus(self) -> Self:
        if self.plus_minus == "none" and any(score.half for score in self.scores.values()):
            raise ValueError("plus_minus is none, but a score has a figure after ±")
        return self

    @property
    def source(self) -> str:
        """Paper and table on one line."""
        return f"{self.paper}, {self.where}"


@cache
def published() -> tuple[Published, ...]:
    """Every published row, in the order of the file."""
    return read_published(FILE)


def read_published(path: Path) -> tuple[Published, ...]:
    """The rows of a file such as published.toml.

    Raises: ValueError with table, row and field of the first mistake, and for a row that is there
    twice.
    """
    found: dict[tuple[object, ...], Published] = {}
    for place, fields in read_rows(read_toml(path)):
        try:
            row = Published.model_validate(fields)
        except ValidationError as error:
            raise ValueError(f"{path.name}, {place}: {explain(error)}") from error
        if (key := identity(row)) in found:
            raise ValueError(f"{path.name}, {place}: the row is there twice")
        found[key] = row
    return tuple(found.values())


def identity(row: Published) -> tuple[object, ...]:
    """What no two rows share."""
    fields = row.model_dump(exclude={"scores", "notes"})
    return tuple(fields.values())


def explain(error: ValidationError) -> str:
    """The first mistake, with its field."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


def read_rows(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it is, fields) of every row: those of its source, table and columns together."""
    for source in content["sources"]:
        common = {key: value for key, value in source.items() if key != "tables"}
        for table in source["tables"]:
            fields = {**common, **table, "notes": both(common, table)}
            rows = fields.pop("rows")
            place = " ".join(str(fields.get(key, "")) for key in ("paper", "where", "dataset"))
            for number, cells in enumerate(read_table(rows, place), 1):
                yield f"{place}, row {number}", with_cells(fields, cells)


def both(source: Mapping[str, Any], table: Mapping[str, Any]) -> list[str]:
    """Notes of a source and of its table."""
    return [*source.get("notes", []), *table.get("notes", [])]


def read_table(text: str, place: str) -> list[dict[str, str]]:
    """Lines of cells between bars, under the names of their fields."""
    lines = text.strip().splitlines()
    names, *rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    for row in rows:
        if len(row) != len(names):
            raise ValueError(f"{place}: {len(row)} cells under {len(names)} names: {row[0]}")
    return [dict(zip(names, row, strict=True)) for row in rows]


def with_cells(fields: Mapping[str, Any], cells: Mapping[str, str]) -> dict[str, Any]:
    """The fields of one row; columns that are no field of a row are scores."""
    given = {key: cell for key, cell in cells.items() if cell != NOT_PRINTED}
    note = [given.pop("note")] if "note" in given else []
    own = {key: cell for key, cell in given.items() if key in Published.model_fields}
    scores = {key: cell for key, cell in given.items() if key not in own}
    return {**fields, **own, "scores": scores, "notes": [*fields["notes"], *note]}


def select(
    rows: Iterable[Published],
    *,
    dataset: str | None = None,
    method: str | None = None,
    backbone: str | None = None,
    dimension: int | None = None,
    years: tuple[int, int] | None = None,
) -> list[Published]:
    """The rows that match all that is given, in their order.

    Arguments: method, a name in LOSSES or else a part of the source's name; backbone, a part of its
    name, where case and signs do not count (`resnet50`); years, the first and the last.
    Raises: ValueError for an unknown data set, and where nothing matches, with what there is.
    """
    found = of_dataset(list(rows), dataset)
    if method is not None:
        found = keep(found, "method", method, lambda row: has_method(row, method))
    if backbone is not None:
        found = keep(found, "backbone", backbone, lambda row: within(backbone, row.backbone))
    if dimension is not None:
        found = keep(found, "dimension", dimension, lambda row: row.dimension == dimension)
    if years is not None:
        words = "-".join(str(year) for year in dict.fromkeys(years))
        found = keep(found, "year", words, lambda row: row.year in range(years[0], years[1] + 1))
    return found


def of_dataset(rows: list[Published], name: str | None) -> list[Published]:
    """The rows of one data set; all of them for None."""
    if name is None:
        return rows
    there = list(dict.fromkeys(row.dataset for row in rows))
    if name in DATASETS and name not in there:
        raise ValueError(f"no published row is of {name}; there are some of {', '.join(there)}")
    if name not in there:
        raise ValueError(unknown("data set", name, there))
    return [row for row in rows if row.dataset == name]


def keep(
    rows: list[Published], field: str, wanted: str | int, test: Callable[[Published], bool]
) -> list[Published]:
    """The rows that pass; ValueError with the values of the field if none does."""
    if kept := [row for row in rows if test(row)]:
        return kept
    there = [str(value) for value in sorted({getattr(row, field) for row in rows}, key=in_order)]
    raise ValueError(
        f"no published row here has the {field} {brief(wanted)}"
        f"{did_you_mean(str(wanted), there)} (there are: {', '.join(there)})"
    )


def in_order(value: str | int) -> tuple[bool, str | int]:
    """Numbers by size, then words."""
    return (True, value.lower()) if isinstance(value, str) else (False, value)


def has_method(row: Published, method: str) -> bool:
    """Whether a row has a loss, or where there is no such loss, a name with such a part."""
    return row.loss == method if method in losses() else within(method, row.method)


def within(part: str, name: str) -> bool:
    """Whether a name has a part, whatever the case and the signs."""
    return bool(plain(part)) and plain(part) in plain(name)


def plain(name: str) -> str:
    """Letters and digits, in lower case: `ResNet-50` -> `resnet50`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
