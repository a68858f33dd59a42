"""What a search draws for a method: the hyper-parameters of its loss, learning rates, batches."""

import math
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from bench.spec import Budget, RunSpec
from bench.suites.arguments import declared_losses
from proxy_core.hyper_parameters import search_range

FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
NETWORK_RATES = (1 / 30, 30.0)  # times that of the budget
HEAD_RATES = (1 / 30, 300.0)  # times that of the budget; a new head learns faster than old weights
LOSS_RATES = (1e-4, 10.0)  # of proxies, centers, classifier weights and boundaries
SAMPLES = (2, 4, 8, 16)  # images of one class in a batch
EDGE = 0.05  # of a range, at either end
Value = int | float


class Dimension(BaseModel):
    """One value that is drawn: a field of `RunSpec` or a hyper-parameter of the loss.

    It is uniform from `low` to `high`, or uniform in its logarithm; or one of some `choices`.
    """

    model_config = FROZEN

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The dimension for readers: `scale 1 to 256 (log)`."""
        words = self.name.replace("_", " ")
        if self.choices:
            return f"{words} {', '.join(map(str, self.choices))}"
        return f"{words} {self.low:g} to {self.high:g}{' (log)' if self.log else ''}"

    def edge(self, value: Value) -> str:
        """`upper` or `lower` if a value is beyond or within 5 % of that end of the range, or
        nothing. A suite's own value may be beyond it, also 0 where the range is of logarithms."""
        if self.choices:
            return ""
        if not self.low < value < self.high:
            return "upper" if value >= self.high else "lower"
        scaled = math.log if self.log else float
        low, high = scaled(self.low), scaled(self.high)
        share = (scaled(value) - low) / (high - low)
        return "upper" if share >= 1 - EDGE else "lower" if share <= EDGE else ""


def space_of(spec: RunSpec, budget: Budget, *, learns: bool) -> tuple[Dimension, ...]:
    """The dimensions of a method on a budget, whose run with the suite's own values is `spec`.

    learns: whether the loss has parameters of its own. Ranges of learning rates follow from the
    budget, so they are the same for every method.
    """
    return (*rates(budget, learns=learns), *hyper_parameters(spec.loss), *samples(spec))


def rates(budget: Budget, *, learns: bool) -> Iterator[Dimension]:
    """Learning rates of what is trained; the head's where the weights are not random."""
    if budget.frozen != "backbone":
        yield around("learning_rate", budget.learning_rate, NETWORK_RATES)
    if budget.weights and budget.embedding_dim:
        rate = budget.head_learning_rate or budget.learning_rate
        yield around("head_learning_rate", rate, HEAD_RATES)
    if learns:
        yield Dimension(name="loss_learning_rate", low=LOSS_RATES[0], high=LOSS_RATES[1], log=True)


def around(name: str, rate: float, factors: tuple[float, float]) -> Dimension:
    low, high = (rounded(rate * factor) for factor in factors)
    return Dimension(name=name, low=low, high=high, log=True)


def hyper_parameters(loss: str) -> Iterator[Dimension]:
    """The hyper-parameters of a loss for which a range is declared."""
    for name, (declared, _) in declared_losses()[loss].hyper_parameters.items():
        if found := search_range(declared):
            yield Dimension(name=name, low=found.low, high=found.high, log=found.log)


def samples(spec: RunSpec) -> Iterator[Dimension]:
    """Images of one class in a batch, unless batches are random."""
    fitting = [n for n in SAMPLES if spec.batch_size % n == 0 and spec.batch_size >= 2 * n]
    if spec.samples_per_class != "random" and len(fitting) > 1:
        yield Dimension(name="samples_per_class", choices=tuple(fitting))


def with_values(spec: RunSpec, values: Mapping[str, Value | str | None]) -> RunSpec:
    """The specification with the values of a trial."""
    fields = {name: value for name, value in values.items() if name in RunSpec.model_fields}
    args = {name: value for name, value in values.items() if name not in fields}
    return spec.model_copy(update={**fields, "loss_args": {**spec.loss_args, **args}})


def values_of(spec: RunSpec, space: tuple[Dimension, ...]) -> dict[str, Value | None]:
    """The values of a specification, which may lack a learning rate of its own for the head."""
    fields = {**spec.loss_args, **dict(spec)}
    return {dimension.name: fields[dimension.name] for dimension in space}


def rounded(value: float) -> float:
    """Three significant digits, which can be read and typed."""
    return float(f"{value:.3g}")
