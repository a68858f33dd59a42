"""Assignment rules against plain Python, in the cases that the paper leaves open, and as built."""

import pytest
import torch

from proxy_core.losses.parts.assignment import (
    Assigner,
    Assignment,
    dynamic_assignment,
    static_assignment,
)
from proxy_core.losses.proxy import nca_gaps
from tests.support.plain_proxies import CASES, LABELS, points


def shares(assignment: Assignment) -> list[dict[int, float]]:
    rows: list[dict[int, float]] = [{} for _ in range(len(assignment.negative))]
    triples = zip(*(part.tolist() for part in assignment[:3]), strict=True)
    for image, proxy, weight in triples:
        assert proxy not in rows[image]
        rows[image][proxy] = weight
    return rows


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("seed", range(5))
def test_every_rule_is_that_of_plain_loops(case, seed: int) -> None:  # type: ignore[no-untyped-def]
    embeddings, proxies = points(9, seed=seed), points(case.proxies, seed=seed + 100)
    _, ours = case.ours(embeddings, proxies)
    _, plain = case.plain(embeddings, proxies)
    for found, expected in zip(shares(ours), plain.positives, strict=True):
        assert found == pytest.approx(expected)
    negatives = [set(row.nonzero().flatten().tolist()) for row in ours.negative]
    assert negatives == plain.negatives


def test_of_several_proxies_the_nearest_is_positive_and_the_others_take_no_part() -> None:
    cosines = torch.tensor([[0.9, 0.2, 0.3, 0.1], [0.1, 0.2, 0.8, 0.9]])
    members = torch.tensor([[0, 1], [2, 3]])
    found = static_assignment(cosines, torch.tensor([1, 1]), members)
    assert found.proxy.tolist() == [2, 3]
    assert found.negative.tolist() == [[True, True, False, False]] * 2


def test_classes_on_one_proxy_are_not_each_others_negatives() -> None:
    cosines = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.5, 0.4]])
    found = static_assignment(cosines, torch.tensor([0, 1, 2]), torch.tensor([[0], [0], [1]]))
    assert found.proxy.tolist() == [0, 0, 1]
    assert found.negative.tolist() == [[False, True], [False, True], [True, False]]


def test_dynamic_positive_is_the_proxy_of_the_partner_and_not_the_own_nearest() -> None:
    cosines = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.1, 0.7]])
    found = dynamic_assignment(cosines, torch.tensor([5, 5, 9]))
    assert shares(found) == [{1: 1.0}, {0: 1.0}, {2: 1.0}]  # the last has no partner but itself
    assert found.negative.tolist() == [
        [False, False, True],
        [False, False, True],
        [True, True, False],
    ]


def test_a_proxy_of_similar_and_dissimilar_images_is_not_its_own_negative() -> None:
    """p(y) = p(z): proxy 0 is nearest to all images except the second one of class 0."""
    cosines = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.8, 0.1]])
    found = dynamic_assignment(cosines, torch.tensor([0, 0, 1]))
    assert shares(found) == [{1: 1.0}, {0: 1.0}, {0: 1.0}]
    assert found.negative.tolist() == [[True, False], [True, False], [True, True]]
    gaps = nca_gaps(cosines, found, scale=10.0)
    torch.testing.assert_close(gaps, torch.tensor([8.0, -torch.inf, -7.0]))


def test_dynamic_assignment_uses_only_equality_of_labels() -> None:
    cosines = torch.rand(9, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor(LABELS)
    other_names = torch.tensor([7, 0, 2, 1, 4])[labels]
    for one, other in zip(
        dynamic_assignment(cosines, labels), dynamic_assignment(cosines, other_names), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("rule", "per_class", "proxies", "kept"),
    [
        ("static", 1.0, 10, []),
        ("static", 0.26, 3, ["members"]),
        ("static", 0.5, 5, ["members"]),
        ("static", 3.0, 30, []),
        ("static", 0.999, 10, []),
        ("dynamic", 0.5, 5, []),
        ("dynamic", 1.7, 17, []),
    ],
)
def test_number_of_proxies_and_state_of_a_checkpoint(
    rule: str, per_class: float, proxies: int, kept: list[str]
) -> None:
    assign = Assigner(10, rule, per_class)  # type: ignore[arg-type]
    assert assign.num_proxies == proxies
    assert list(assign.state_dict()) == kept


@pytest.mark.parametrize(("classes", "per_class"), [(10, 0.3), (11, 0.5), (5, 0.4)])
def test_labels_share_proxies_evenly_at_random(classes: int, per_class: float) -> None:
    def drawn(seed: int) -> Assigner:
        torch.manual_seed(seed)
        return Assigner(classes, "static", per_class)

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first.members is not None
    assert again.members is not None
    assert other.members is not None
    assert torch.equal(first.members, again.members)
    counts = first.members.flatten().bincount(minlength=first.num_proxies)
    assert counts.max() - counts.min() <= 1
    assert counts.sum() == classes
    assert not torch.equal(first.members, other.members)
    restored = drawn(1)
    restored.load_state_dict(first.state_dict())
    assert torch.equal(restored.members, first.members)  # type: ignore[arg-type]


def test_a_single_class_has_at_least_one_proxy() -> None:
    assert Assigner(1, "static", 0.3).num_proxies == 1


def test_members_of_a_class_are_consecutive() -> None:
    assert Assigner(3, "static", 2.0).members.tolist() == [[0, 1], [2, 3], [4, 5]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rule", "per_class", "message"),
    [
        ("static", 1.5, "proxies_per_class is 1.5: above 1 the static rule gives every class"),
        ("static", 0.1, "is 0.1: that is one proxy for 10 classes, .* at least two"),
        ("dynamic", 0.01, "is 0.01: that is one proxy for 10 classes, .* at least two"),
    ],
)
def test_rules_and_numbers_that_do_not_fit(rule: str, per_class: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Assigner(10, rule, per_class)  # type: ignore[arg-type]
