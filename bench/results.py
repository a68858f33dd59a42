"""Stored runs as pandas frames, for notebooks and for the report.

    from bench.results import curves, frame
    from bench.store.runs import scan

    runs, problems = scan(Path("results/reference"))
    frame(runs)[["dataset", "method", "seed", "recall@1"]]

A mean over rows is meant only where nothing but the seed differs: group by `method_id`, since one
method may have several specifications. `bench.reporting.groups.comparable_frame` also checks that
the rows are of one test. Accepted results from others are a layer of
their own: `community(read_community(Path("results/community"))[0])`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.spec import UNSET, method_id_of
from bench.store.community import Community
from bench.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

UNPREFIXED = ("spec.", "scores.")  # parts of `run.json` whose fields are columns by their own name
LAST = 3  # validations whose mean is the final score of a run
CURVE_FIELDS = ("dataset", "split", "backbone", "method", "loss", "seed")  # of the specification


def final_score(scores: Sequence[float] | np.ndarray) -> float:
    """Mean of the last three validations of a trained run after the start, or of all if there are
    fewer; scores: in order of step, that of the start first."""
    return float(np.mean(scores[1:][-LAST:]))


def frame(runs: Sequence[Run]) -> "pd.DataFrame":
    """One row per run, in the order given.

    Columns: `run`, the name of the run's directory; `method_id`, a digest of its specification
    without the seed, equal for runs that may be averaged if they are of one test; the fields of
    `RunSpec` (`dataset`, `seed`) and the test scores in 0..1 (`recall@1`) under their own names,
    `method` as it was when the run was made; everything else in `run.json` with its section in
    front: `loss_args.scale`, `untrained.recall@1`, `cost.train_seconds`, `split.fingerprint`,
    `environment.cpu`. Fields of the specification that a record leaves out have their defaults.
    NaN: this run does not have the field.
    """
    import pandas as pd

    records = [{**run.record, "spec": {**UNSET, **run.spec}} for run in runs]
    # Names of files may hold lone surrogates, which strings of pyarrow cannot.
    with pd.option_context("mode.string_storage", "python"):
        table = pd.json_normalize(records)
    for prefix in UNPREFIXED:
        table.columns = table.columns.astype(str).str.removeprefix(prefix)  # without runs too
    table.insert(0, "run", [run.name for run in runs])
    table.insert(1, "method_id", [method_id_of(run.spec) for run in runs])
    return table


def community(found: Sequence[Community]) -> "pd.DataFrame":
    """`frame` of the runs of accepted submissions, with the columns `submission`, the name of the
    folder, and `trained_again`, whether the run was trained again when it was accepted."""
    table = frame([run for item in found for run in item.runs])
    names = [(item, run) for item in found for run in item.runs]
    table.insert(0, "submission", [item.name for item, _ in names])
    table["trained_again"] = [run.name in item.accepted.trained for item, run in names]
    return table


def curves(runs: Sequence[Run]) -> "pd.DataFrame":
    """One row per validation of each run, in order of step; the first is before training.

    Columns: `run`, `method_id` (as in `frame`), `dataset`, `split`, `backbone`, `method`, `loss`,
    `seed`; `step`, `epoch`, `images`, `seconds`, `training_loss`, and the scores on the validation
    images in 0..1.
    Raises: StoredRunError if a curve is missing or was changed.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {"run": run.name, "method_id": method_id_of(run.spec)}
            | {field: {**UNSET, **run.spec}[field] for field in CURVE_FIELDS}
            | {"training_loss" if key == "loss" else key: value for key, value in point.items()}
            for run in runs
            for point in run.curve
        ]
    )
