"""The values of all trials of a method, drawn by Optuna before the first one starts.

Random sampling: trials are independent, so the expected best of n of them follows exactly, and
which trial runs when, or was killed, changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from bench.spec import sha256
from bench.tuning.space import Dimension, Value, rounded


def draw(space: Sequence[Dimension], key: Sequence[object], trials: int) -> list[dict[str, Value]]:
    """Values of trials 1 to `trials`. Those of trial i depend on space, key and i alone.

    key: what distinguishes this search from others: its seed, data set, split and method.
    Raises: ValueError if Optuna is not installed.
    """
    optuna = load_optuna()
    distributions = {dimension.name: distribution(dimension, optuna) for dimension in space}
    sampler = optuna.samplers.RandomSampler(seed=int(sha256(list(key))[:8], 16))
    study = optuna.create_study(sampler=sampler)
    drawn = [study.ask(distributions).params for _ in range(trials)]
    return [{d.name: readable(d, params[d.name]) for d in space} for params in drawn]


def load_optuna() -> Any:
    """The package, which writes nothing to the terminal."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ValueError(
            "a search needs Optuna, which is not installed: pip install 'proxy-bench[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def distribution(dimension: Dimension, optuna: Any) -> Any:
    """Optuna's form of a dimension."""
    if dimension.choices:
        return optuna.distributions.CategoricalDistribution(dimension.choices)
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def readable(dimension: Dimension, value: Value) -> Value:
    """A drawn value with three significant digits, within its range."""
    if dimension.choices:
        return value
    return min(max(rounded(value), dimension.low), dimension.high)
