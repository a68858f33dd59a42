"""The content of a suite file, its checks, and the runs that follow from it.

The budget of a data set and split holds for every method. A method sets only its loss, the loss's
hyper-parameters, learning rates, and the composition of its batches; these may differ by budget
(`on`), because they come from a search on the validation images of that data set and split.
A budget is named after its data set, or gives it as `dataset`, so that one suite can hold a data
set under several splits.

A budget with weights adds rows that need no training, against which every loss is measured. The
start of a random head is one of them: that of the methods, or without methods runs of its own.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.datasets import find
from bench.datasets.splits import BY_CLASS
from bench.spec import (
    FIXED_SEED,
    NO_LOSS,
    TIMM,
    Budget,
    Line,
    LossArgument,
    Name,
    RunSpec,
    Samples,
    Seed,
    Source,
    joined,
    no_switch,
)
from bench.suggest import did_you_mean, unknown
from bench.suites.arguments import backbones, declared_losses, resolve_arguments, timm_networks
from bench.suites.rules import broken, mistaken_head_rate
from bench.suites.tuned import Tuning, edited, tuning_problems
from bench.weights import check_spelling, locate


def known_dataset(name: str) -> str:
    """The name; ValueError if there is no such data set."""
    find(name)
    return name


def one_of(kind: str, names: Callable[[], Collection[str]]) -> AfterValidator:
    """A check that a name is one of those known of a kind."""

    def check(name: str) -> str:
        if name not in names():
            raise ValueError(unknown(kind, name, names()))
        return name

    return AfterValidator(check)


MOST_RUNS = 100_000  # of a suite
DatasetName = Annotated[Name, AfterValidator(known_dataset)]
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


WITHOUT_WEIGHTS = "without weights"  # a context of validation
# Another: the digests that stored runs have of the weights of a backbone, by both names.
StoredDigests = Mapping[tuple[str, str], Collection[str]]

# The rows of a table that need no training, of budgets with weights.
FEATURES, PCA = "Pretrained features", "Pretrained features, PCA to {}"
UNTRAINED_HEAD, UNTRAINED = "Untrained head", "Untrained network"  # with weights, and without


# Values of the fields that a budget must give, while those that it gives are wrong.
EXAMPLE = {
    "dataset": "digits",
    "embedding_dim": 1,
    "batch_size": 2,
    "steps": 1,
    "evaluate_every": 1,
    "learning_rate": 1.0,
    "weight_decay": 0.0,
}


def known_backbone(name: str) -> str:
    """The name; ValueError if there is no such backbone; of timm's, the weights are not checked."""
    network = name.removeprefix(TIMM).partition(".")[0]
    if name.startswith(TIMM):
        known = timm_networks()
        if known and network not in known:
            near = did_you_mean(name, [TIMM + other for other in known])
            raise ValueError(f"unknown backbone {name!r}: timm has no such network{near}")
    elif name not in backbones():
        raise ValueError(
            f"{unknown('backbone', name, backbones())}; those of timm begin with {TIMM}"
        )
    return name


class SuiteBudget(Budget):
    """The budget of a data set and split, with a check that the backbone exists and its weights are
    there.

    Once its suite is checked, `dataset` is the data set, which the budget's name gives unless the
    file does, and `weights_sha256` is the digest of the weights. In the context
    `WITHOUT_WEIGHTS` they are not looked for, and the digest stays as it is given; in that of
    `StoredDigests` weights that are not here have the digest of the stored runs, if there are any.
    """

    dataset: DatasetName = Field(
        description="The data set, which the name of the budget gives unless this does."
    )
    backbone: Annotated[Name, AfterValidator(known_backbone)] = Field(
        default="conv4", description=Budget.model_fields["backbone"].description
    )
    weights: Annotated[Line, AfterValidator(check_spelling)] | None = Field(
        default=None, description=Budget.model_fields["weights"].description
    )

    @model_validator(mode="wrap")
    @classmethod
    def check_all(
        cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Raises: ValidationError with the mistakes of fields by themselves, and those of the
        others together."""
        errors: list[InitErrorDetails] = []
        try:
            budget = handler(given)
        except ValidationError as error:
            if not isinstance(given, dict):
                raise
            errors = [as_it_is(item) for item in error.errors()]
            wrong = {item["loc"][0] for item in errors}
            right = {name: value for name, value in given.items() if name not in wrong}
            budget = handler(EXAMPLE | right)
        else:
            wrong = set()
        fields = {name: value for name, value in budget if name not in wrong}
        errors += [mistake_of((field,), text) for field, text in broken(fields)]
        try:
            digest = digest_of(fields, info.context)
        except (OSError, ValueError) as error:
            errors.append(mistake_of(("weights",), str(error).removeprefix("weights: ")))
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return budget.model_copy(update={"weights_sha256": digest})


def as_it_is(item: Any) -> InitErrorDetails:
    """One of pydantic's errors, to be raised again."""
    kind = PydanticCustomError(item["type"], "{message}", {"message": item["msg"]})
    return InitErrorDetails(type=kind, loc=item["loc"], input=item["input"])


def mistake_of(location: tuple[str, ...], text: str) -> InitErrorDetails:
    """A mistake as one of pydantic's errors."""
    kind = PydanticCustomError("value_error", "{message}", {"message": text})
    return InitErrorDetails(type=kind, loc=location, input=None)


def digest_of(
    fields: Mapping[str, Any], context: StoredDigests | Literal["without weights"] | None
) -> str | None:
    """Digest of the weights of a budget; fields, those of the budget that are right.

    Raises: OSError or ValueError if they are not here, or are not those of the given digest.
    """
    if not fields.keys() >= {"backbone", "weights", "weights_sha256"}:
        return None
    backbone, weights = fields["backbone"], fields["weights"]
    given: str | None = fields["weights_sha256"]
    if weights is None or context == WITHOUT_WEIGHTS:
        return given
    try:
        found = locate(backbone, weights).sha256
    except (OSError, ValueError) as error:
        if not isinstance(context, Mapping):
            raise
        return given or stored_digest(context.get((backbone, weights), ()), error)
    if given and given != found:
        raise ValueError(
            f"{weights} has the SHA-256 {found[:12]}..., and weights_sha256 is {given[:12]}...; "
            "these are other weights"
        )
    return found


def stored_digest(found: Collection[str], missing: OSError | ValueError) -> str | None:
    """The digest of the weights of stored runs, in place of that of missing weights.

    Raises: ValueError if the stored runs have several; `missing` if they have none and the weights
    cannot exist.
    """
    if len(found) > 1:
        listed = ", ".join(f"{digest[:12]}..." for digest in sorted(found))
        raise ValueError(
            f"{missing}; stored runs have several weights of this name ({listed}): say in the "
            "suite which with weights_sha256"
        )
    if not found and not isinstance(missing, OSError):
        raise missing
    return next(iter(found), None)


class Change(BaseModel):
    """The fields of a method that differ under one budget.

    Once its method is checked, `args` holds all hyper-parameters of the loss under that budget.
    """

    model_config = STRICT

    args: dict[str, LossArgument] = Field(
        default={}, description="Hyper-parameters of the loss in place of those of the method."
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="Learning rate of the network."
    )
    head_learning_rate: float | None = Field(
        default=None, ge=0, description="Learning rate of the head."
    )
    loss_learning_rate: float | None = Field(
        default=None, ge=0, description="Learning rate of the loss's own parameters."
    )
    samples_per_class: Samples | None = Field(
        default=None, description='Images of a class in a batch, or `"random"`.'
    )

    no_switches = field_validator("*", mode="before")(no_switch)


def distinct_name(name: str) -> str:
    """The name of a method; ValueError if the table would show it like another row."""
    if name != name.strip():
        raise ValueError("begins or ends with a blank, which the table does not show: remove it")
    plain, rows = name.casefold(), [row.casefold() for row in (FEATURES, UNTRAINED_HEAD, UNTRAINED)]
    if plain in rows or plain.startswith(PCA.format("").casefold()):
        raise ValueError("is the name of a row that needs no training: choose another")
    return name


class Method(BaseModel):
    """A row of the table: a loss and, once checked, all of its hyper-parameters."""

    model_config = STRICT

    loss: Annotated[Name, one_of("loss", declared_losses)] = Field(description="Name of the loss.")
    args: dict[str, LossArgument] = Field(
        default={},
        validate_default=True,
        description="Hyper-parameters of the loss; the others keep their defaults.",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="Learning rate of the network in place of the budget's."
    )
    head_learning_rate: float | None = Field(
        default=None, ge=0, description="Learning rate of the head in place of the budget's."
    )
    loss_learning_rate: float = Field(
        default=0.0,
        ge=0,
        description="Learning rate of the loss's own parameters, such as proxies and centers.",
    )
    samples_per_class: Samples = Field(
        default=4,
        description="Images of a class in a batch, which divide the batch of each budget; "
        '`"random"` draws any images.',
    )
    on: dict[Name, Change] = Field(
        default={}, description="What differs under a budget, by the budget's name."
    )

    no_switches = field_validator("*", mode="before")(no_switch)

    @field_validator("args")
    @classmethod
    def resolve_args(cls, args: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return resolve_arguments(info.data["loss"], args) if "loss" in info.data else args

    @field_validator("on")
    @classmethod
    def resolve_changes(cls, changes: dict[str, Change], info: ValidationInfo) -> dict[str, Change]:
        if "loss" not in info.data or "args" not in info.data:
            return changes
        loss, args = info.data["loss"], info.data["args"]
        return {
            budget: change.model_copy(update={"args": resolve_arguments(loss, args | change.args)})
            for budget, change in changes.items()
        }

    def settings(self, budget: str) -> dict[str, Any]:
        """The fields of `RunSpec` that this method sets under the budget of a name."""
        own = self.model_dump(exclude={"on", "args"}, exclude_none=True)
        common = own | {"loss_args": self.args}
        if budget not in self.on:
            return common
        change = self.on[budget]
        changed = change.model_dump(exclude={"args"}, exclude_none=True)
        return common | changed | {"loss_args": change.args}


class Suite(BaseModel):
    """A whole suite file."""

    model_config = STRICT

    title: Line = Field(min_length=1, max_length=120, description="Title of the report.")
    seeds: list[Seed] = Field(
        min_length=1, description="Every method runs on every budget with each of them."
    )
    budgets: dict[Name, SuiteBudget] = Field(
        min_length=1, description="What a data set and split fix for all methods, by a name."
    )
    methods: dict[Annotated[Name, AfterValidator(distinct_name)], Method] = Field(
        default={},
        description="Rows of the table by their names; without any, the pretrained networks are "
        "scored as they start.",
    )
    keep_model: StrictBool = Field(
        default=True, description="Whether a run stores its network, for `embed` and `export`."
    )
    keep_embeddings: int | None = Field(
        default=None,
        strict=True,
        ge=0,
        le=1000,
        description="At how many validations, spread over the training, a run stores the "
        "embeddings of its validation images, for the Time tab of `demo`; 6 for `glyphs` and "
        "`digits`, otherwise 0, if not given.",
    )
    vary: list[Source] = Field(
        default=[],
        description="A study of variance: beside runs in which all of these vary, runs in which "
        "one of them does.",
    )
    tuning: Tuning | None = Field(
        default=None, description="The search that the values come from; written by `tune`."
    )

    @field_validator("seeds")
    @classmethod
    def check_seeds(cls, seeds: list[int]) -> list[int]:
        repeated = [seed for seed, count in Counter(seeds).items() if count > 1]
        if repeated:
            raise ValueError(f"seed {min(repeated)} occurs more than once; each run counts once")
        return seeds

    @field_validator("vary")
    @classmethod
    def check_vary(cls, sources: list[Source]) -> list[Source]:
        if len(set(sources)) < len(sources):
            raise ValueError("a source occurs more than once")
        if len(sources) == 1:
            raise ValueError(f"{sources[0]} alone has nothing to be compared with; give another")
        return sources

    @field_validator("budgets", mode="before")
    @classmethod
    def name_datasets(cls, budgets: Any) -> Any:
        """Give each budget without a data set the one that its name says."""
        if not isinstance(budgets, dict):
            return budgets
        return {
            name: {"dataset": name, **budget} if isinstance(budget, dict) else budget
            for name, budget in budgets.items()
        }

    @field_validator("budgets")
    @classmethod
    def check_budgets(cls, budgets: dict[str, SuiteBudget]) -> dict[str, SuiteBudget]:
        if problems := same_test(budgets):
            raise ValueError("\n".join(problems))
        return budgets

    @model_validator(mode="after")
    def check_together(self) -> Self:
        problems = misfits(self.methods, self.budgets, self.budgets)
        if not self.methods and not any(budget.weights for budget in self.budgets.values()):
            problems.append("methods: give one, since no budget has weights to score untrained")
        problems += study_problems(self.vary, self.seeds, self.budgets)
        rows = max(1, len(self.methods)) * (len(self.vary) + 1)
        runs = len(self.seeds) * len(self.budgets) * rows
        if runs > MOST_RUNS:
            problems.append(f"{runs:,} runs are more than the {MOST_RUNS:,} of a suite")
        if self.tuning:
            data = {name: (budget.dataset, budget.split) for name, budget in self.budgets.items()}
            problems += tuning_problems(self.tuning, self.used_seeds, data, list(self.methods))
        problems = problems or same_directory(self.grid(self.seeds[:1]))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @model_validator(mode="wrap")
    @classmethod
    def check_all(
        cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Raises: ValidationError with the mistakes of parts by themselves, and of the other
        methods and budgets together."""
        try:
            return handler(given)
        except ValidationError as error:
            errors = [as_it_is(item) for item in error.errors()]
        wrong = {item["loc"][:2] for item in errors}
        if () not in wrong:  # else every part is right by itself
            right = right_parts(given, "budgets", wrong)
            budgets = {
                name: SuiteBudget.model_validate({"dataset": name, **part}, context=info.context)
                for name, part in right.items()
            }
            parts = right_parts(given, "methods", wrong).items()
            methods = {name: Method.model_validate(part) for name, part in parts}
            names = right_parts(given, "budgets", ())
            if found := misfits(methods, budgets, names) if names else []:
                errors.append(mistake_of((), "\n".join(found)))
        raise ValidationError.from_exception_data(cls.__name__, errors)

    @cached_property
    def specs(self) -> tuple[RunSpec, ...]:
        """Every run: those without training, then the grid; in a study of variance with each
        source by itself, seed by seed too."""
        if not self.vary:
            return self.untrained + self.grid(self.seeds)
        kinds = [joined(self.vary), *self.vary]
        return self.untrained + tuple(
            spec.model_copy(update={"varies": varies})
            for seed in self.seeds
            for varies in kinds
            for spec in self.grid([seed])
        )

    @property
    def method_ids(self) -> tuple[str, ...]:
        """`RunSpec.method_id` of every method on every budget."""
        return tuple(spec.method_id for spec in self.grid(self.seeds[:1]))

    @property
    def used_seeds(self) -> list[int]:
        """The seeds of the runs, and that of sources that do not vary in some of them."""
        return [*self.seeds, *([FIXED_SEED] if self.vary else [])]

    @property
    def edited(self) -> list[str]:
        """What of a tuned suite is not as its search chose it."""
        if self.tuning is None:
            return []
        specs = self.grid([self.tuning.seed])
        named = ((self.budget_names[spec.dataset, spec.split], spec) for spec in specs)
        return edited(self.tuning, named)

    @property
    def budget_names(self) -> dict[tuple[str, str], str]:
        """(data set, split) -> name of its budget."""
        return {(budget.dataset, budget.split): name for name, budget in self.budgets.items()}

    @property
    def untrained(self) -> tuple[RunSpec, ...]:
        """The pretrained features of each budget with weights: as they are, and their principal
        components to as many dimensions as the losses have. Without methods, whose runs score where
        they start, also the random head of each seed."""
        return tuple(
            spec
            for budget in self.budgets.values()
            if budget.weights
            for spec in untrained_specs(budget, self.seeds, heads=not self.methods)
        )

    def grid(self, seeds: Sequence[int]) -> tuple[RunSpec, ...]:
        """The runs of some seeds; seed by seed, so that an early stop leaves whole comparisons."""
        fields = {
            (label, name): budget.model_dump() | method.settings(label)
            for label, budget in self.budgets.items()
            for name, method in self.methods.items()
        }
        return tuple(
            RunSpec(method=name, seed=seed, **fields[label, name])
            for label, seed, name in product(self.budgets, seeds, self.methods)
        )


def untrained_specs(budget: SuiteBudget, seeds: Sequence[int], *, heads: bool) -> list[RunSpec]:
    """The runs without training of one budget; how the losses are trained does not matter.

    heads: whether a random head is one of them, with each seed; the others need one seed.
    """
    network = {"dataset", "split", "backbone", "weights", "weights_sha256", "pooling", "layer_norm"}
    norm = {"frozen": "norm"} if budget.frozen == "norm" else {}  # folded, which rounds otherwise
    fields = (
        budget.model_dump(include=network | {"resize", "crop", "interpolation"})
        | norm
        | {
            "loss": NO_LOSS,
            "loss_args": {},
            "loss_learning_rate": 0.0,
            "samples_per_class": 1,
            "batch_size": 2,
            "steps": 0,
            "evaluate_every": 1,
            "learning_rate": 1.0,
            "weight_decay": 0.0,
            "augmentation": "none",
        }
    )
    size, start = budget.embedding_dim, budget.head_init
    found: list[dict[str, Any]] = [{"method": FEATURES, "embedding_dim": 0, "seed": seeds[0]}]
    if size:
        pca = {"method": PCA.format(size), "head_init": "pca"}
        found += [pca | {"embedding_dim": size, "seed": seeds[0]}]
    if size and heads and start != "pca":
        head = {"method": UNTRAINED_HEAD, "head_init": start, "embedding_dim": size}
        found += [head | {"seed": seed} for seed in seeds]
    return [RunSpec(**fields, **each) for each in found]


def same_directory(specs: Sequence[RunSpec]) -> list[str]:
    """Methods with the same fields whose names give the same run directory; specs of one seed."""
    first: dict[str, str] = {}
    problems = []
    for spec in specs:
        other = first.setdefault(spec.run_name, spec.method)
        if other != spec.method:
            problems.append(
                f"methods.{spec.method}: is the same as {other!r} on {spec.dataset}; "
                "change a hyper-parameter or a letter of its name"
            )
    return list(dict.fromkeys(problems))


def same_test(budgets: Mapping[str, SuiteBudget]) -> list[str]:
    """Budgets of one data set and split, whose runs one table could not hold."""
    first: dict[tuple[str, str], str] = {}
    problems = []
    for name, budget in budgets.items():
        other = first.setdefault((budget.dataset, budget.split), name)
        if other != name:
            problems.append(
                f"{name}: {other!r} is a budget of {budget.dataset}, {budget.split} already; "
                "give this one another split, or put it into another suite"
            )
    return problems


def right_parts(
    given: Any, table: str, wrong: Collection[tuple[Any, ...]]
) -> dict[str, dict[str, Any]]:
    """The budgets or methods of a suite that have no mistake by themselves."""
    parts = given.get(table) if isinstance(given, dict) and (table,) not in wrong else None
    if not isinstance(parts, dict):
        return {}
    return {name: part for name, part in parts.items() if (table, name) not in wrong}


def study_problems(
    sources: Sequence[Source], seeds: Sequence[int], budgets: Mapping[str, SuiteBudget]
) -> Iterator[str]:
    """What a study of variance cannot do, `field: problem`."""
    if sources and FIXED_SEED in seeds:
        yield (
            f"seeds: {FIXED_SEED} is the seed of every source that does not vary (vary); give the "
            "runs other seeds"
        )
    if sources and len(seeds) < 2:
        yield "seeds: one does not show a spread (vary); give two or more"
    for name, budget in budgets.items():
        if "augmentation" in sources and budget.augmentation == "none":
            yield f'vary: augmentation, but budgets.{name} has augmentation = "none"'
        if "split" in sources and budget.split not in BY_CLASS:
            yield (
                f"vary: split, but the {budget.split} protocol of budgets.{name} fixes which "
                f"images validate; it can vary under {' and '.join(BY_CLASS)}"
            )


def misfits(
    methods: Mapping[str, Method], budgets: Mapping[str, Budget], names: Collection[str]
) -> list[str]:
    """What of methods does not fit the budgets, `field: problem`.

    names: those of all budgets; `budgets` may lack some.
    """
    return [
        f"methods.{name}.{problem}"
        for name, method in methods.items()
        for problem in method_problems(method, budgets, names)
    ]


def method_problems(
    method: Method, budgets: Mapping[str, Budget], names: Collection[str]
) -> list[str]:
    """Fields of a method that do not fit the budgets, `field: problem`."""
    problems = [
        f"on.{name}: {unknown('budget', name, names)}" for name in method.on if name not in names
    ]
    for name, budget in budgets.items():
        settings = method.settings(name)
        samples, rate = settings["samples_per_class"], settings.get("head_learning_rate")
        if text := mistaken_head_rate(rate, budget.embedding_dim, budget.frozen):
            problems.append(f"head_learning_rate: {text} (budget {name})")
        if samples != "random" and budget.batch_size % samples:
            problems.append(
                f"samples_per_class: {samples} does not divide the batch of "
                f"{budget.batch_size} images that {name} fixes"
            )
    return problems
