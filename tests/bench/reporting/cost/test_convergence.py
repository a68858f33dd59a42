"""Curves of stored runs at common costs."""

import json
from pathlib import Path

import pytest

from bench.reporting.cost.convergence import (
    choose_baseline,
    mean_finals,
    on_common_costs,
    read_curve,
    read_curves,
)
from bench.store.runs import Run, digest_of
from tests.support.fabricated import make_record, make_spec, write_curve
from tests.support.made_curves import make_curves


def test_the_final_score_is_the_mean_of_the_last_three_validations() -> None:
    curves = make_curves({"A": [[0.2, 0.3, 0.5, 0.6, 0.7], [0.2, 0.3, 0.3, 0.3, 0.3]]})
    assert mean_finals(curves, "recall@1")["A"] == pytest.approx((0.6 + 0.3) / 2)
    few = make_curves({"A": [[0.2, 0.6], [0.2, 0.6, 0.8]]})  # the start is no final score
    assert mean_finals(few, "recall@1")["A"] == pytest.approx((0.6 + 0.7) / 2)


def test_without_a_triplet_loss_the_lowest_final_score_is_the_target() -> None:
    assert choose_baseline(make_curves({"A": [[0.1, 0.9, 0.9]], "B": [[0.1, 0.4, 0.4]]})) == "B"


def test_seeds_with_equal_steps_keep_their_points() -> None:
    curves = make_curves({"A": [[0.1, 0.2, 0.4, 0.5], [0.1, 0.4, 0.4, 0.8]]})
    means = on_common_costs(curves, "step").groupby("step")["recall@1"].mean()
    assert means.index.tolist() == [0, 10, 20, 30]
    assert means.tolist() == pytest.approx([0.1, 0.3, 0.4, 0.65])


def test_seeds_with_other_times_are_interpolated_up_to_where_the_first_ends() -> None:
    curves = make_curves({"A": [[0.1, 0.4, 0.7, 1.0]] * 2})  # the second takes twice as long
    means = on_common_costs(curves, "seconds").groupby("seconds")["recall@1"].mean()
    assert means.index[-1] == 15.0
    assert means.iloc[-1] == pytest.approx((1.0 + 0.55) / 2)


def make_stored(folder: Path, lines: int) -> Run:
    spec = make_spec("digits", "Proxy-NCA", 0)
    write_curve(folder / "curve.jsonl", spec, {"recall@1": 0.7, "map@r": 0.4}, 0.1)
    text = (folder / "curve.jsonl").read_text().splitlines(keepends=True)
    (folder / "curve.jsonl").write_text("".join(text[:lines]))
    files = {"curve.jsonl": digest_of(folder / "curve.jsonl")}
    return Run(folder, {**make_record(spec, {}, 48), "files": files})


def test_short_and_changed_curves_are_refused_by_name(tmp_path: Path) -> None:
    run = make_stored(tmp_path, 9)
    assert read_curve(run)["step"].tolist() == [0, 20, 40, 60, 80, 100]
    short = make_record(
        make_spec("digits", "Proxy-NCA", 0).model_copy(update={"steps": 40}), {}, 48
    )
    with pytest.raises(ValueError, match=r"curve.jsonl has 3 validations, .*; lower `evaluate"):
        read_curve(Run(tmp_path, {**short, "files": make_stored(tmp_path, 3).record["files"]}))
    (tmp_path / "curve.jsonl").write_text(json.dumps({"step": 1}) + "\n")
    with pytest.raises(ValueError, match=r"curve.jsonl was changed after the run"):
        read_curve(Run(tmp_path, run.record))
    found, problems = read_curves([Run(tmp_path, run.record)], {tmp_path.name: "A"})
    assert found.empty
    assert "is left out of the convergence numbers" in problems[0]


def test_seeds_that_ended_early_are_cut_at_the_first_end_without_interpolation() -> None:
    scores = [[0.1, 0.4, 0.5, 0.7, 0.6], [0.1, 0.2, 0.3, 0.2], [0.1, 0.3, 0.7, 0.6, 0.5]]
    means = on_common_costs(make_curves({"A": scores}), "step").groupby("step")["recall@1"].mean()
    assert means.index.tolist() == [0, 10, 20, 30]
    assert means.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.5])


def test_a_curve_that_ended_too_early_names_the_patience(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has 3 validations, .* at least 4; raise `patience`"):
        read_curve(make_stored(tmp_path, 3))
