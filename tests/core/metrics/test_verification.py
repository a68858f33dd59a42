"""Verification against plain loops over all pairs and against scikit-learn, with ties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import verification as module
from proxy_core.metrics.verification import Steps, Verification, tar_at, verification
from tests.support.largest import Largest
from tests.support.plain_cosines import cloud, grids, integers
from tests.support.plain_verification import Pairs, plain_pairs

FARS = (0.0, 0.01, 0.1, 0.3, 0.5, 1.0)


def assert_plain(found: Verification, pairs: Pairs) -> None:
    assert (found.genuine, found.impostors) == (len(pairs.genuine), len(pairs.impostors))
    assert found.fars == FARS
    assert found.tars == tuple(pairs.tar_at(far) for far in FARS)
    for far, tar, threshold in zip(found.fars, found.tars, found.thresholds, strict=True):
        accepted = [cosine for cosine in pairs.genuine if cosine >= threshold - 1e-9]
        assert len(accepted) / len(pairs.genuine) == tar
        assert pairs.far(threshold - 1e-9) <= far
        assert threshold == pytest.approx(min(accepted, default=math.inf), abs=1e-9)
    assert found.eer == pytest.approx(pairs.eer(), abs=1e-12)


@pytest.mark.parametrize("tile", [1, 7, 64, 1024])
def test_all_rates_are_those_of_plain_loops(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    embeddings, labels = cloud(60, seed=1)
    embeddings[40:55] = embeddings[:15]  # the same image again, often in another class
    assert_plain(verification(embeddings, labels, fars=FARS), plain_pairs(embeddings, labels))


@settings(max_examples=200, deadline=None)
@given(grids(least=3), st.data())
def test_ties_are_pessimistic_and_the_order_does_not_matter(
    embeddings: Tensor, data: st.DataObject
) -> None:
    labels = integers(data, -1, 2, len(embeddings))
    assume(1 < len(set(labels.tolist())) < len(labels))
    found = verification(embeddings, labels, fars=FARS)
    assert_plain(found, plain_pairs(embeddings, labels))
    order = torch.tensor(data.draw(st.permutations(range(len(labels)))))
    again = verification(embeddings[order], labels[order], fars=FARS)
    assert (again.tars, again.eer) == (found.tars, found.eer)
    assert torch.equal(again.roc_tar, found.roc_tar)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_all_rates_are_those_of_scikit_learn(noise: float) -> None:
    from sklearn.metrics import roc_curve

    embeddings, labels = cloud(80, seed=2, noise=noise)
    embeddings[60:] = embeddings[:20]
    found, pairs = verification(embeddings, labels, fars=FARS), plain_pairs(embeddings, labels)
    truth = [1] * len(pairs.genuine) + [0] * len(pairs.impostors)
    far, tar, _ = roc_curve(truth, pairs.genuine + pairs.impostors, drop_intermediate=False)
    assert found.tars == tuple(tar[far <= limit].max() for limit in FARS)
    for limit, rate in zip(found.roc_far.tolist(), found.roc_tar.tolist(), strict=True):
        assert rate == tar[far <= limit].max()
    assert found.eer == pytest.approx(float(np.interp(0.0, far + tar - 1, far)), abs=1e-12)


def test_worked_example() -> None:
    """Genuine cosines are 1 and 0.6, impostors 1, 1, 0.6 and 0.6: equal ones come in together."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    labels = torch.tensor([0, 0, 1, 1])
    found = verification(embeddings, labels, fars=(0.49, 0.5, 0.99, 1.0))
    assert (found.genuine, found.impostors) == (2, 4)
    assert found.tars == (0.0, 0.5, 0.5, 1.0)
    assert found.thresholds == pytest.approx((math.inf, 1.0, 1.0, 0.6))
    assert found.eer == 0.5


def test_collapsed_and_separated_classes() -> None:
    embeddings, labels = torch.full((30, 3), 0.3), torch.arange(30) % 4
    found = verification(embeddings, labels, fars=(0.0, 1e-4, 0.99, 1.0))
    assert found.tars == (0.0, 0.0, 0.0, 1.0)
    assert found.eer == 0.5
    assert found.roc_tar.tolist() == [0.0] * 199 + [1.0]
    labels = torch.arange(30) % 5
    found = verification(torch.eye(5)[labels], labels)
    assert found.tars == (1.0, 1.0, 1.0)
    assert found.eer == 0.0
    assert found.roc_tar.tolist() == [1.0] * 200


@pytest.mark.parametrize(("lead", "tar"), [(-1e-11, 0.0), (0.0, 0.0), (5e-13, 0.0), (1e-11, 1.0)])
def test_an_impostor_is_accepted_unless_clearly_less_similar(lead: float, tar: float) -> None:
    cosines = torch.tensor([1.0, 0.5 + lead, 0.5], dtype=torch.float64)
    embeddings = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1)
    embeddings[2, 1] *= -1  # the genuine pair is 0, 1 and the impostors are 0, 2 and 1, 2
    assert verification(embeddings, torch.tensor([0, 0, 1]), fars=(0.0,)).tars == (tar,)


def test_no_impostor_is_accepted_at_a_far_below_one_pair() -> None:
    """One of 9 impostors is as similar as can be: FARs below 1/9 must refuse it."""
    embeddings = torch.tensor([[1.0, 0], [1, 0], [1, 0.1], [1, 0], [-1, 1], [-1, 1.1]])
    found = verification(embeddings, torch.tensor([0, 0, 0, 1, 1, 1]), fars=(0.0, 1 / 9.1, 1 / 9))
    assert found.tars[:2] == (0.0, 0.0)
    assert found.roc_far[0] == 1 / 9


def test_a_far_that_is_a_whole_number_of_impostors_accepts_them_all() -> None:
    """0.29 * 100 is 28.999999999999996 in floating point."""
    far = torch.tensor([1.0, 29 / 100, 0.0], dtype=torch.float64)
    tar = torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)
    steps = Steps(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64), tar, far, far)
    assert tar_at(steps, (0.28, 0.29, 0.99, 1.0)) == ((0.25, 0.5, 0.5, 1.0), (0.3, 0.2, 0.2, 0.1))


def test_the_roc_has_equal_steps_of_the_logarithm() -> None:
    embeddings, labels = cloud(2000, seed=3)
    found = verification(embeddings, labels)
    assert found.roc_far[0] == 1e-6 > 1 / found.impostors
    assert found.roc_far[-1] == found.roc_tar[-1] == 1
    steps = found.roc_far.log().diff()
    assert torch.allclose(steps, torch.full((199,), math.log(1e6) / 199, dtype=torch.float64))
    assert (found.roc_tar.diff() >= 0).all()


def test_nothing_as_large_as_the_pairs_is_ever_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 30)
    labels = torch.arange(600) % 300
    embeddings = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    with Largest() as largest:  # type: ignore[no-untyped-call]
        verification(embeddings, labels)
    assert (
        900 <= largest.elements <= 1800
    )  # tile x tile and N x D, where there are 179,400 impostors


def test_bad_input_is_refused() -> None:
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1])
    for far in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="fars are"):
            verification(x, y, fars=(0.1, far))
    with pytest.raises(ValueError, match="4 images of 1 classes make 6 genuine and 0 impostor"):
        verification(x, y * 0)
    with pytest.raises(ValueError, match="4 images of 4 classes make 0 genuine and 6 impostor"):
        verification(x, torch.arange(4))
    with pytest.raises(ValueError, match="embeddings hold NaN or infinity in 4 of 4 rows"):
        verification(x * torch.nan, y)
    with pytest.raises(ValueError, match=r"labels of embeddings are torch.int64 of shape \(3,\)"):
        verification(x, y[:3])
    with pytest.raises(ValueError, match=r"embeddings have shape \(0, 3\)"):
        verification(x[:0], y[:0])
