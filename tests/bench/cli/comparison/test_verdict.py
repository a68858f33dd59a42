"""What is said of a comparison claims no more than its runs support."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bench.cli.comparison.verdict import best_runs, why_this
from bench.cli.comparison.verdict import sentences as all_sentences
from bench.spec import RunSpec
from bench.store.runs import Run, RunDir, load_run
from tests.support.fabricated import (
    METHODS,
    PRETRAINED,
    make_features,
    make_spec,
    seal,
    write_run,
)

PROXY, TRIPLET, CENTER = METHODS
Scores = Mapping[str, Sequence[float]]  # MAP@R of each seed by method


MORE = "proxy-bench run compare.toml --until-decided"


def sentences(runs: Sequence[Run]) -> list[str]:
    return all_sentences(runs, MORE)


def stored(
    folder: Path,
    spec: RunSpec,
    score: float,
    validation: float = 0.5,
    sizes: Mapping[str, int] | None = None,
) -> Run:
    path = write_run(folder, spec, gain=0.1)
    files = RunDir(path)
    *before, last = files.curve.read_text().splitlines()
    changed = json.dumps(json.loads(last) | {"map@r": validation})
    files.curve.write_text("\n".join([*before, changed]) + "\n")
    record = json.loads(files.record.read_text())
    counts = record["split"] | {"test_images": 500, "test_classes": 40, **(sizes or {})}
    seal(path, scores=record["scores"] | {"map@r": score}, split=counts)
    return load_run(files)


def runs_of(folder: Path, scores: Scores, pca: float = 0.30, features: float = 0.35) -> list[Run]:
    runs = [
        stored(folder, spec_of(method, seed), score)
        for method, values in scores.items()
        for seed, score in enumerate(values)
    ]
    runs.append(stored(folder, make_features("digits"), features))
    return [*runs, stored(folder, make_features("digits", 16), pca)]


def spec_of(method: str, seed: int) -> RunSpec:
    changes = {**PRETRAINED, "head_init": "pca"}
    return make_spec("digits", method, seed).model_copy(update=changes)


def test_a_clear_winner_is_preferred(tmp_path: Path) -> None:
    scores = {PROXY: [0.50, 0.52, 0.51], TRIPLET: [0.40, 0.42, 0.42], CENTER: [0.30, 0.31, 0.32]}
    first, second, third = sentences(runs_of(tmp_path, scores))
    assert first == (
        "Prefer Proxy-NCA: MAP@R 51.0 on the test images, 9.7 ± 1.4 points above Triplet, "
        "semi-hard and 20.0 ± 2.5 points above Center + softmax (95 % intervals, paired over 3 "
        "seeds)."
    )
    assert second.startswith(
        "Gains over the pretrained features of equal dimension, in points of MAP@R: Proxy-NCA "
        "+21.0 ± 2.5, Triplet, semi-hard +11.3 ± 2.9 and Center"
    )
    assert second.endswith(
        "shown to be beyond chance are those of Proxy-NCA and Triplet, semi-hard."
    )
    assert third == "3 seeds give an indication, not a proof; more minutes give up to 5."


def test_losses_within_chance_are_not_ranked(tmp_path: Path) -> None:
    scores = {PROXY: [0.50, 0.44], TRIPLET: [0.45, 0.47], CENTER: [0.45, 0.46]}
    text = " ".join(sentences(runs_of(tmp_path, scores)))
    assert text.startswith(
        "These runs cannot tell Proxy-NCA, Triplet, semi-hard and Center + softmax apart: "
        "MAP@R 47.0, 46.0 and 45.5 on the test images, where the lead of Proxy-NCA, 1.0 ± 50.8 "
        "points over"
    )
    assert "Prefer" not in text
    assert "clear" not in text


def test_a_loss_that_is_clearly_worse_is_named(tmp_path: Path) -> None:
    scores = {PROXY: [0.50, 0.44, 0.46], TRIPLET: [0.45, 0.47, 0.46], CENTER: [0.1, 0.03, 0.06]}
    text = sentences(runs_of(tmp_path, scores))[0]
    assert text.startswith("These runs cannot tell Proxy-NCA and Triplet, semi-hard apart: ")
    assert "points above Center + softmax, which is clear." in text


CLOSE_BY = [0.503, 0.4992, 0.5038, 0.5011, 0.4989]  # 0.3 points above `BASE` with every seed
LEADS = [0.06, 0.03, 0.005, 0.05, 0.015]  # the interval excludes 0 before it is corrected
BASE = [0.5, 0.496, 0.501, 0.498, 0.496]


def test_a_lead_that_is_shown_to_be_within_the_margin_is_the_same(tmp_path: Path) -> None:
    low = [score - 0.3 for score in BASE]
    runs = runs_of(tmp_path, {PROXY: CLOSE_BY, TRIPLET: BASE, CENTER: low})
    assert sentences(runs)[0] == (
        "Proxy-NCA is the same as Triplet, semi-hard within 0.5 points: MAP@R 50.1 and 49.8 on the "
        "test images, 0.3 ± 0.0 points above Triplet, semi-hard (95 % intervals, paired over 5 "
        "seeds). It is 30.3 ± 0.0 points above Center + softmax, which is clear."
    )


def test_a_lead_that_the_correction_leaves_open_says_so(tmp_path: Path) -> None:
    open_ = [score - lead for score, lead in zip(CLOSE_BY, LEADS, strict=True)]
    runs = runs_of(tmp_path, {PROXY: CLOSE_BY, TRIPLET: BASE, CENTER: open_})
    text = sentences(runs)[0]
    assert text.startswith("These runs cannot tell Proxy-NCA and Center + softmax apart: MAP@R 50.")
    assert "may be chance" in text
    assert (
        ". Within 0.5 points it is the same as Triplet, semi-hard. Each interval is of its pair "
        "alone; the verdicts are corrected for all pairs. About "
    ) in text


def test_equal_scores_are_no_lead(tmp_path: Path) -> None:
    text = sentences(runs_of(tmp_path, {PROXY: [1.0, 1.0], TRIPLET: [1.0, 1.0]}))[0]
    assert text.startswith(
        "These runs cannot tell Proxy-NCA and Triplet, semi-hard apart: MAP@R 100.0 and 100.0 on "
        "the test images, where Triplet, semi-hard scored the same with each seed (95 % intervals, "
        "paired over 2 seeds)."
    )


def test_a_lead_that_does_not_vary_is_neither_chance_nor_clear(tmp_path: Path) -> None:
    scores = {PROXY: [0.8, 0.7], TRIPLET: [0.6, 0.5], CENTER: [0.7, 0.7]}
    first, second, *_ = sentences(runs_of(tmp_path, scores, pca=0.5))
    assert first.startswith(
        "These runs cannot tell Proxy-NCA, Center + softmax and Triplet, semi-hard apart: MAP@R "
        "75.0, 70.0 and 55.0 on the test images, where the lead of Proxy-NCA, 5.0 ± 63.5 points "
        "over Center + softmax, may be chance and the lead of Proxy-NCA, 20.0 points over Triplet, "
        "semi-hard, is the same with each seed, which leaves no interval to judge it by (95 % "
        "intervals, paired over 2 seeds)."
    )
    assert "Center + softmax +20.0 with each seed and Triplet" in second
    assert "± 0.0" not in first + second


def test_without_gain_the_features_are_preferred(tmp_path: Path) -> None:
    scores = {PROXY: [0.50, 0.52, 0.51], TRIPLET: [0.40, 0.42, 0.42]}
    text = " ".join(sentences(runs_of(tmp_path, scores, pca=0.6, features=0.62)))
    assert "No loss gained over the pretrained features of equal dimension, in points" in text
    assert "The pretrained features as they are reach 62.0, as much as the best loss or" in text


def test_features_of_more_dimensions_may_be_better_than_any_loss(tmp_path: Path) -> None:
    scores = {PROXY: [0.50, 0.52, 0.51], TRIPLET: [0.40, 0.42, 0.42]}
    text = " ".join(sentences(runs_of(tmp_path, scores, features=0.62)))
    assert "Every loss gained over the pretrained features of equal dimension" in text
    assert "unless fewer dimensions matter, prefer them" in text


def test_a_gain_within_chance_is_not_claimed(tmp_path: Path) -> None:
    text = " ".join(sentences(runs_of(tmp_path, {PROXY: [0.35, 0.30], TRIPLET: [0.31, 0.30]})))
    assert "points of MAP@R: Proxy-NCA +2.5 ± 31.8 and Triplet, semi-hard +0.5 ± 6.4; " in text
    assert "shown to be beyond chance is none." in text


def test_one_loss_has_no_rival(tmp_path: Path) -> None:
    text = sentences(runs_of(tmp_path, {PROXY: [0.50, 0.52, 0.51]}))[0]
    assert text.startswith("Every loss gained over the pretrained features of equal dimension")


@pytest.mark.parametrize("scores", [{}, {PROXY: [0.5]}, {PROXY: [0.5], TRIPLET: [0.4]}])
def test_without_seeds_nothing_is_preferred(tmp_path: Path, scores: Scores) -> None:
    text = " ".join(sentences(runs_of(tmp_path, scores)))
    assert "Prefer" not in text


def test_only_seeds_that_all_losses_have_are_compared(tmp_path: Path) -> None:
    scores = {PROXY: [0.50, 0.52, 0.99], TRIPLET: [0.40, 0.42]}
    assert "MAP@R 51.0" in sentences(runs_of(tmp_path, scores))[0]


def test_runs_that_ended_early_are_counted(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, {PROXY: [0.50, 0.52], TRIPLET: [0.40, 0.42]})
    assert not [line for line in sentences(runs) if "early" in line]
    for run in runs[1:3]:
        del run.curve[-1]
    (line,) = [line for line in sentences(runs) if "early" in line]
    end, steps = runs[1].curve[-1]["step"], runs[1].spec["steps"]
    assert line == (
        f"2 of 4 runs ended early, after {end} of at most {steps} steps, because validation had "
        "stopped improving. Scored and stored is the network after the last step, which need not "
        "be the best one."
    )


def test_a_run_that_reached_100_percent_could_not_improve(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, {PROXY: [0.50, 0.52], TRIPLET: [0.40, 0.42]})
    early = runs[1:4]
    for run in early:
        del run.curve[-1]
    for count, words in [
        (0, "validation had stopped improving. "),
        (2, "validation had stopped improving, 2 times because it had reached 100 %, above which"),
        (3, "validation had reached 100 %, above which nothing can improve. "),
    ]:
        for run in early[:count]:
            run.curve[1]["map@r"] = 1.0
        (line,) = [line for line in sentences(runs) if "early" in line]
        assert words in line


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, []),
        (
            {"validation_images": 10, "validation_classes": 5},
            [
                "Validation has 10 images of 5 classes, and its R@1 moves in steps of 10.0 points: "
                "when runs end and which one is named as the model may be chance."
            ],
        ),
        (
            {"test_images": 99},
            ["The test has 99 images of 40 classes: with other photographs the order may differ."],
        ),
    ],
)
def test_small_parts_are_named(tmp_path: Path, sizes: dict[str, int], expected: list[str]) -> None:
    runs = [
        stored(tmp_path, spec_of(method, seed), score, sizes=sizes)
        for method, score in ((PROXY, 0.5), (TRIPLET, 0.4))
        for seed in (0, 1)
    ]
    lines = sentences(runs)
    assert [line for line in lines if line.startswith(("The test has", "Validation"))] == expected


CLEAR, CLOSE = (0.40, 0.42, 0.41, 0.40, 0.42, 0.41), (0.60, 0.42, 0.61, 0.40, 0.62, 0.41)
FIRST = (0.50, 0.53, 0.51, 0.53, 0.52, 0.52)


@pytest.mark.parametrize(
    ("seeds", "second", "expected"),
    [
        (3, CLEAR, ["3 seeds give an indication, not a proof; more minutes give up to 5."]),
        (
            4,
            CLOSE,
            [
                "4 seeds give an indication, not a proof; more minutes give up to 5; beyond that "
                "add some to `seeds` in the suite and run it."
            ],
        ),
        (5, CLEAR, ["5 seeds give an indication, not a proof."]),
        (
            5,
            CLOSE,
            [
                "5 seeds give an indication, not a proof.",
                f"More seeds, up to 30, until R@1 is decided: {MORE}",
            ],
        ),
        (6, CLOSE, [f"More seeds, up to 30, until R@1 is decided: {MORE}"]),
        (6, CLEAR, []),
    ],
)
def test_advice_on_seeds_can_be_followed(
    tmp_path: Path, seeds: int, second: Sequence[float], expected: list[str]
) -> None:
    runs = runs_of(tmp_path, {PROXY: FIRST[:seeds], TRIPLET: second[:seeds]})
    words = ("indication", "More seeds,")
    assert [line for line in sentences(runs) if any(word in line for word in words)] == expected


@pytest.mark.parametrize(
    ("validation", "seeds", "words"),
    [
        ((0.3, 0.4, 0.3), [1], "of this loss the run that ended best on validation"),
        (
            (1.0, 0.9, 1.0),
            [0, 2],
            "of this loss it ended best on validation, at MAP@R 100.0 like seed 2, which it "
            "precedes only in number",
        ),
        ((0.9, 0.9, 0.9), [0, 1, 2], "like seeds 1 and 2, which it precedes only in number"),
    ],
)
def test_the_model_is_the_best_on_validation_of_the_best_loss(
    tmp_path: Path, validation: tuple[float, ...], seeds: list[int], words: str
) -> None:
    found = [
        stored(tmp_path, spec_of(method, seed), score, ended)
        for method, score, ends in ((PROXY, 0.5, validation), (TRIPLET, 0.4, (1.0,) * 3))
        for seed, ended in enumerate(ends)
    ]
    best, *equal = best_runs(found[::-1])
    assert [run.spec["seed"] for run in (best, *equal)] == seeds
    assert best.spec["method"] == PROXY
    assert why_this(best, equal).endswith(words)
    assert why_this(best, equal).startswith(f"Proxy-NCA, seed {seeds[0]}, after step 100: ")
    assert best_runs([]) == []
