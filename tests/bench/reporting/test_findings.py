"""Sentences on the results: pairs of methods, ties, the untrained network."""

import pandas as pd
import pytest

from bench.reporting.findings import (
    compare,
    features_sentences,
    sentences,
    untrained_sentences,
    verdict_sentences,
)
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.verdicts import Rule


def make_members(
    recalls: dict[str, dict[int, float]], before: dict[str, float] | None = None
) -> pd.DataFrame:
    """Rows of one data set: method -> seed -> R@1; `before` is that of the untrained network."""
    return pd.DataFrame(
        [
            {"method": method, "loss": "x", "split": "class-disjoint", "seed": seed}
            | {"recall@1": recall, "map@r": recall / 2}
            | ({} if before is None else {"untrained.recall@1": before[method]})
            for method, seeds in recalls.items()
            for seed, recall in seeds.items()
        ]
    )


def test_pairs_begin_with_the_better_method_and_share_seeds() -> None:
    members = make_members({"A": {0: 0.2, 1: 0.3}, "B": {1: 0.5, 2: 0.6}, "C": {9: 0.1}})
    (pair,) = compare(members)
    assert (pair.first, pair.second) == ("B", "A")
    shared = pair.differences["recall@1"].interval
    assert shared.n == 1
    assert shared.mean == pytest.approx(0.2)
    assert pair.differences["map@r"].interval.mean == pytest.approx(0.1)
    assert "nmi" not in pair.differences


def test_sentences_claim_what_is_supported_and_no_more() -> None:
    members = make_members(
        {
            "Best": {0: 0.80, 1: 0.82, 2: 0.85},
            "Near": {0: 0.81, 1: 0.80, 2: 0.84},
            "Far": {0: 0.30, 1: 0.33, 2: 0.34},
        }
    )
    text = " ".join(sentences(members, []))
    assert text.startswith("Best has the highest R@1 on the test split, 82.3 % as a mean over 3")
    assert "seeds. It is better than Far (50.0 ± 2.5 points). Undecided is its lead over" in text
    assert "lead over Near (0.7 ± 3.8 points; about 58 seeds would decide R@1)." in text
    assert "any wrong one among all 3 pairs is at most 5 %" in text
    assert "cannot fall below p = 0.25 with 3 seeds" in text


def test_an_undecided_lead_whose_own_interval_leaves_out_0_is_explained() -> None:
    why = "Each interval is of its pair alone; the verdicts are corrected for all pairs."
    best, near = {0: 0.80, 1: 0.82, 2: 0.84}, {0: 0.78, 1: 0.79, 2: 0.80}
    third = {0: 0.79, 1: 0.80, 2: 0.85}
    three = make_members({"Best": best, "Near": near, "Third": third})
    text = " ".join(sentences(three, []))
    assert "Near (3.0 ± 2.5 points; about" in text
    assert why in text
    assert why not in " ".join(sentences(make_members({"Best": best, "Third": third}), []))
    steady = {seed: score - 0.02 for seed, score in best.items()}  # which has no interval
    assert why not in " ".join(sentences(make_members({"Best": best, "Steady": steady}), []))
    grown = sentences(make_members({"Best": best, "Near": near}), [], Rule(looks=Looks(3, 12)))
    assert "corrected for all pairs and all looks." in " ".join(grown)


def test_sentences_say_where_other_seeds_make_or_forbid_a_verdict() -> None:
    few = {0: 0.55, 1: 0.56, 2: 0.571}
    text = " ".join(
        sentences(make_members({"A": {0: 0.5, 1: 0.51, 2: 0.52, 3: 0.9}, "B": few}), [])
    )
    assert "Over the seeds that both have it is worse than B (−5.0 ± 0.1 points)." in text
    lone = {
        "A": {0: 0.5, 1: 0.6},
        "B": {1: 0.3, 2: 0.4},
        "C": {2: 0.2, 3: 0.3},
        "D": {0: 0.1, 1: 0.3},
    }
    text = " ".join(sentences(make_members(lone), []))
    assert "A has fewer than two seeds in common with B and C: no verdict." in text


def test_after_a_tie_for_the_best_there_are_verdicts_on_the_others() -> None:
    members = make_members(
        {
            "A": {0: 0.80, 1: 0.82, 2: 0.84},
            "B": {0: 0.82, 1: 0.80, 2: 0.84},
            "C": {0: 0.30, 1: 0.33, 2: 0.34},
            "D": {0: 0.10},
        }
    )
    found = verdict_sentences(members)
    assert found[0].startswith("A and B share the highest R@1 on the test split, 82.0 %")
    assert found[1] == "A is better than C (49.7 ± 1.4 points)."
    undecided = "Undecided is the difference between A and B (0.0 ± 5.0 points; more than"
    assert found[2].startswith(undecided)
    assert found[3].startswith("B is better than C (")
    whole = members[members["method"] != "D"]
    assert len(verdict_sentences(whole)) == 4
    many = {name: {0: 0.5, 1: 0.6} for name in "ABCDE"}
    assert verdict_sentences(make_members(many)) == [
        "5 methods share the highest R@1 on the test split, 55.0 % as a mean over 2 seeds.",
        "The verdict on each pair is among the differences in the report.",
    ]
    uneven = verdict_sentences(make_members({"A": {0: 0.5}, "B": {0: 0.4, 1: 0.5, 2: 0.6}}))
    assert uneven[0] == (
        "A and B share the highest R@1 on the test split, 50.0 % as a mean over 1 to 3 seeds."
    )


def test_a_verdict_of_an_earlier_look_is_not_told_by_what_came_later() -> None:
    first = {0: -0.0200, 1: -0.0201, 2: -0.0199, 3: -0.0200, 4: 0.10, 5: 0.12, 6: 0.11}
    members = make_members(
        {"A": {s: 0.6 + d for s, d in first.items()}, "B": dict.fromkeys(first, 0.6)}
    )
    found = verdict_sentences(members, Rule(looks=Looks(3, 30)))
    assert found[0].startswith("A has the highest R@1")
    assert found[1].startswith(
        "By its first seeds, which decided the pair, A is worse than B (3.6 ± 6.4 points"
    )
    assert found[1].endswith(" over all 7 seeds; decided with 3).")


def test_where_the_first_look_decided_no_seed_was_added() -> None:
    scores = {"A": {0: 0.900, 1: 0.901, 2: 0.902}, "B": {0: 0.1, 1: 0.101, 2: 0.103}}
    text = " ".join(sentences(make_members(scores), [], Rule(looks=Looks(3, 30))))
    assert "The first look decided every pair: A 3, B 3." in text
    text = " ".join(sentences(make_members(scores), [], Rule(looks=Looks(3, 1000))))
    assert "No seeds were added yet: A 3, B 3." in text
    assert "seeds were" not in " ".join(sentences(make_members({"A": scores["A"]}), []))


def test_features_that_reach_the_best_loss_exactly_are_as_good() -> None:
    losses = make_members({"A": {0: 0.1, 1: 0.2, 2: 0.3}})
    features = make_members({"Features": {0: 0.2}}).assign(loss="none", embedding_dim=0)
    assert losses["recall@1"].mean() > 0.2  # by the last bit
    (sentence,) = features_sentences(pd.concat([losses.assign(embedding_dim=64), features]))
    assert "reach R@1 20.0 %" in sentence


def test_of_the_features_of_several_networks_the_best_are_named() -> None:
    losses = make_members({"A": {0: 0.45, 1: 0.55}}).assign(embedding_dim=64)
    networks = make_members({"Features (a)": {0: 0.3, 1: 0.3}, "Features (b)": {0: 0.6, 1: 0.6}})
    features = networks.assign(loss="none", embedding_dim=0)
    (sentence,) = features_sentences(pd.concat([losses, features]))
    assert "reach R@1 60.0 % (Features (b)) and MAP@R 30.0 % (Features (b)), as" in sentence


def test_features_are_compared_with_the_losses_on_their_network() -> None:
    scores = {"A": {0: 0.45, 1: 0.55}, "B": {0: 0.8, 1: 0.9}, "Features": {0: 0.6, 1: 0.6}}
    networks = {"A": "lite0", "B": "conv4", "Features": "lite0"}
    members = make_members(scores)
    features = members["method"] == "Features"
    members = members.assign(backbone=members["method"].map(networks), embedding_dim=64)
    members.loc[features, ["loss", "embedding_dim"]] = "none", 0
    (sentence,) = features_sentences(members)
    assert "reach R@1 60.0 % and MAP@R 30.0 %, as much as the best loss on the same net" in sentence
    assert features_sentences(members[members["method"] != "A"]) == []  # B is better
    (sentence,) = features_sentences(members[members["method"] != "B"])
    assert "as much as the best loss or more" in sentence
    better = members.assign(**{"recall@1": members["recall@1"].where(~features, 0.95)})
    assert "reach R@1 95.0 %, as much as the best loss or more" in features_sentences(better)[0]
    others = members[features].assign(method="Others", backbone="vit")
    others["recall@1"] = 0.95  # of a network that nothing was trained on
    found = features_sentences(pd.concat([members, others]))
    assert "reach R@1 95.0 % (Others), as much as the best loss or more" in found[0]
    assert "reach MAP@R 30.0 % (Features), as much as the best loss on the same" in found[1]


def test_sentences_say_what_is_the_same_within_the_margin() -> None:
    members = make_members({"A": {0: 0.800, 1: 0.801, 2: 0.802}, "B": {0: 0.8, 1: 0.801, 2: 0.801}})
    text = " ".join(sentences(members, [], Rule(margin=0.02)))
    assert "Within 2 points it is the same as B (0.0 ± 0.1 points)." in text
    assert "any wrong one among the pair is at most" in text


def test_sentences_about_one_method_one_seed_and_equal_methods() -> None:
    assert sentences(make_members({"A": {0: 0.5}}), []) == [
        "A reaches R@1 50.0 % on the test split in one run.",
        "One seed does not show how much is due to chance.",
    ]
    equal = sentences(make_members({"A": {0: 0.5}, "B": {0: 0.5}}), [])
    assert equal[0].startswith("A and B share the highest R@1")
    assert equal[1:] == [
        "One seed does not show how much is due to chance.",
        "A and B share the highest MAP@R, 25.0 %.",
    ]
    many = {seed: 0.5 + 0.01 * seed for seed in range(6)}
    assert len(sentences(make_members({"A": many}), [])) == 1


START = "the untrained network (R@1 70.0 %)"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([[0.80, 0.81]], []),
        ([[0.75, 0.75]], []),
        ([[0.71]], []),
        (
            [[0.80, 0.81], [0.60, 0.61, 0.62]],
            [
                f"B ended below {START}, −9.0 ± 2.5 points: on these classes training did not help "
                "retrieval of unseen ones."
            ],
        ),
        (
            [[0.80, 0.60]],
            [f"These seeds cannot tell whether A ended above {START}: 0.0 ± 127.1 points."],
        ),
        (
            [[0.85, 0.65]],
            [f"These seeds cannot tell whether A ended above {START}: 5.0 ± 127.1 points."],
        ),
        (
            [[0.65, 0.65], [0.7, 0.7]],
            [
                f"These seeds cannot tell whether A and B ended above {START}: −5.0 points with "
                "each seed and 0.0 points with each seed."
            ],
        ),
        ([[0.7], [0.8]], [f"A did not end above {START} in one run."]),
        (
            [[0.8, 0.8]] + [[0.60, 0.61, 0.62]] * 4,
            [
                f"4 of 5 methods ended below {START}: on these classes training did not help "
                "retrieval of unseen ones."
            ],
        ),
    ],
)
def test_sentences_report_when_training_did_not_help(
    after: list[list[float]], expected: list[str]
) -> None:
    names = "ABCDE"[: len(after)]
    recalls = {name: dict(enumerate(scores)) for name, scores in zip(names, after, strict=True)}
    assert untrained_sentences(make_members(recalls, dict.fromkeys(names, 0.7))) == expected


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            "within-classes",
            "training did not help to retrieve other images of the trained classes.",
        ),
        ("official", "training did not help to retrieve the test images."),
        ("re-identification", "on these classes training did not help retrieval of unseen ones."),
    ],
)
def test_test_classes_are_called_unseen_only_where_they_are(split: str, words: str) -> None:
    members = make_members({"A": {0: 0.60, 1: 0.61}}, {"A": 0.9}).assign(
        split=split, weights_sha256="5"
    )
    (sentence,) = untrained_sentences(members)
    assert sentence == (
        f"A ended below the pretrained network before training (R@1 90.0 %), −29.5 ± 6.4 points: "
        f"{words}"
    )


def test_starts_of_other_scores_are_named_from_the_lowest_to_the_highest() -> None:
    runs = {"A": {0: 0.50, 1: 0.51}, "B": {0: 0.50, 1: 0.52}}
    (sentence,) = untrained_sentences(make_members(runs, {"A": 0.7, "B": 0.8}))
    assert "(R@1 70.0 to 80.0 %)" in sentence
