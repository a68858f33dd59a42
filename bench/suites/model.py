"""What a suite file says, and the runs that follow from it.

A data set's budget holds for every method alike. A method sets only its loss, the loss's own
hyper-parameters and learning rate, and how its batches are composed; these may differ by data set
(`on`), since they come from a search on that data set's validation classes.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bench.spec import Budget, LossArgument, Name, RunSpec
from bench.suites.names import (
    check_protocol,
    has_photographs,
    known_backbone,
    known_dataset,
    known_loss,
    resolve_arguments,
)

DatasetName = Annotated[Name, AfterValidator(known_dataset)]
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SuiteBudget(Budget):
    """A data set's budget whose backbone is checked to exist."""

    backbone: Annotated[Name, AfterValidator(known_backbone)] = "conv4"


class Change(BaseModel):
    """What a method does otherwise on one data set."""

    model_config = STRICT

    args: dict[str, LossArgument] = {}
    loss_learning_rate: float | None = Field(default=None, ge=0)
    samples_per_class: int | None = Field(default=None, ge=1)


class Method(BaseModel):
    """A row of the table: a loss with its hyper-parameters."""

    model_config = STRICT

    loss: Annotated[Name, AfterValidator(known_loss)]
    args: dict[str, LossArgument] = {}
    loss_learning_rate: float = Field(default=0.0, ge=0)
    samples_per_class: int = Field(default=4, ge=1)
    on: dict[DatasetName, Change] = {}

    @field_validator("args")
    @classmethod
    def check_args(cls, args: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return resolve_arguments(info.data["loss"], args) if "loss" in info.data else args

    @field_validator("on")
    @classmethod
    def check_on(cls, changes: dict[str, Change], info: ValidationInfo) -> dict[str, Change]:
        if "loss" in info.data and "args" in info.data:
            for change in changes.values():
                resolve_arguments(info.data["loss"], {**info.data["args"], **change.args})
        return changes

    def settings(self, dataset: str) -> dict[str, Any]:
        """Fields of `RunSpec` that this method sets on a data set, with every default resolved."""
        change = self.on.get(dataset, Change())
        given = change.model_dump(exclude={"args"}, exclude_none=True)
        merged = {**self.args, **change.args}
        common = self.model_dump(include={"loss", "loss_learning_rate", "samples_per_class"})
        return {**common, **given, "loss_args": resolve_arguments(self.loss, merged)}


class Suite(BaseModel):
    """A whole suite file."""

    model_config = STRICT

    title: str = Field(min_length=1, max_length=120)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(min_length=1)
    budgets: dict[DatasetName, SuiteBudget] = Field(min_length=1)
    methods: dict[Name, Method] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def check_seeds(cls, seeds: list[int]) -> list[int]:
        repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if repeated:
            raise ValueError(f"seed {repeated[0]} occurs more than once; each run counts once")
        return seeds

    @field_validator("budgets")
    @classmethod
    def check_budgets(cls, budgets: dict[str, SuiteBudget]) -> dict[str, SuiteBudget]:
        problems = [
            f"{dataset}.{problem}"
            for dataset, budget in budgets.items()
            for problem in budget_problems(dataset, budget)
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return budgets

    @model_validator(mode="after")
    def check_together(self) -> Self:
        problems = [
            f"methods.{name}.{problem}"
            for name, method in self.methods.items()
            for problem in method_problems(method, self.budgets)
        ] or same_directory(self.specs())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def specs(self) -> tuple[RunSpec, ...]:
        """Every run of the grid; seed by seed, so that an early stop leaves whole comparisons."""
        return tuple(
            RunSpec(
                **budget.model_dump(),
                method=name,
                dataset=dataset,
                seed=seed,
                **method.settings(dataset),
            )
            for dataset, budget in self.budgets.items()
            for seed in self.seeds
            for name, method in self.methods.items()
        )


def same_directory(specs: Sequence[RunSpec]) -> list[str]:
    """Methods whose names differ in signs only and whose settings do not differ at all."""
    first: dict[str, str] = {}
    problems = []
    for spec in specs:
        other = first.setdefault(spec.run_name, spec.method)
        if other != spec.method:
            problems.append(
                f"methods.{spec.method}: is the same as {other!r} on {spec.dataset}, "
                "in its settings and, but for signs, in its name"
            )
    return list(dict.fromkeys(problems))


def budget_problems(dataset: str, budget: Budget) -> list[str]:
    problems = check_protocol(dataset, budget.split) + photograph_problems(dataset, budget)
    if budget.evaluate_every > budget.steps:
        problems.append(
            f"evaluate_every: {budget.evaluate_every} is more than the {budget.steps} steps"
        )
    return problems


def photograph_problems(dataset: str, budget: Budget) -> list[str]:
    """Photographs need the sizes at which they are decoded and seen, small images take none."""
    sizes = budget.resize, budget.crop
    cropped = budget.augmentation in ("crop", "resized-crop")
    if not has_photographs(dataset):
        given = [name for name, size in zip(("resize", "crop"), sizes, strict=True) if size]
        problems = [f"{name}: {dataset} has small images, which are not resized" for name in given]
        return problems + ["augmentation: small images take none or affine"] * cropped
    problems = [
        f"{name}: {dataset} has photographs, so give {what} in pixels"
        for name, size, what in zip(
            ("resize", "crop"),
            sizes,
            ("the shorter side that they are decoded at", "the side of the square seen of them"),
            strict=True,
        )
        if size is None
    ]
    if budget.augmentation == "affine":
        problems.append("augmentation: photographs take none, crop or resized-crop")
    if budget.resize and budget.crop and budget.crop > budget.resize:
        problems.append(f"crop: {budget.crop} is more than the shorter side of {budget.resize}")
    return problems


def method_problems(method: Method, budgets: Mapping[str, Budget]) -> list[str]:
    problems = [
        f"on.{dataset}: the suite has no budget for this data set"
        for dataset in method.on
        if dataset not in budgets
    ]
    for dataset, budget in budgets.items():
        samples = method.settings(dataset)["samples_per_class"]
        if budget.batch_size % samples:
            problems.append(
                f"samples_per_class: {samples} does not divide the batch of "
                f"{budget.batch_size} images that {dataset} fixes"
            )
    return problems
