"""Few-shot episodes and one-shot runs: how they are drawn, and scores against plain loops."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics.few_shot import draw_episodes, episode_accuracy, one_shot_error
from tests.support.plain_cosines import cloud, grids, integers, plain_cosine, plain_mean


def plain_wins(query: list[float], own: int, others: list[list[float]]) -> bool:
    """Is one of several vectors nearer than all others?"""
    cosines = [plain_cosine(query, other) for other in others]
    return all(cosines[own] > cosine for i, cosine in enumerate(cosines) if i != own)


def plain_accuracies(embeddings: Tensor, support: Tensor, query: Tensor) -> list[float]:
    rows, found = embeddings.double().tolist(), []
    for shown, asked in zip(support.tolist(), query.tolist(), strict=True):
        means = [plain_mean([rows[i] for i in images]) for images in shown]
        right = [
            plain_wins(rows[i], way, means) for way, images in enumerate(asked) for i in images
        ]
        found.append(sum(right) / len(right))
    return found


def plain_errors(embeddings: Tensor, support: Tensor, query: Tensor, truth: Tensor) -> list[float]:
    rows, found = embeddings.double().tolist(), []
    for run in range(len(support)):
        shown = [rows[i] for i in support[run].tolist()]
        pairs = zip(query[run].tolist(), truth[run].tolist(), strict=True)
        wrong = [not plain_wins(rows[i], own, shown) for i, own in pairs]
        found.append(sum(wrong) / len(wrong))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(5, 9), min_size=3, max_size=6),
    st.integers(2, 3),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(0, 2**40),
)
def test_episodes_are_classes_and_images_without_replacement(
    sizes: list[int], ways: int, shots: int, queries: int, seed: int
) -> None:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)) * 3 - 1
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    support, query = draw_episodes(
        labels, ways=ways, shots=shots, queries=queries, count=5, seed=seed
    )
    assert support.shape == (5, ways, shots)
    assert query.shape == (5, ways, queries)
    assert support.dtype == query.dtype == torch.int64
    for images in torch.cat([support, query], dim=2):
        assert len(set(images.flatten().tolist())) == ways * (shots + queries)
        assert (labels[images] == labels[images[:, :1]]).all()
        assert len(set(labels[images[:, 0]].tolist())) == ways


LABELS = torch.arange(90) % 9


def test_the_arguments_decide_everything_and_more_episodes_change_none() -> None:
    def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
        return draw_episodes(LABELS, ways=5, shots=2, queries=3, count=count, seed=seed)

    few, many, others = draw(4, 7), draw(9, 7), draw(4, 8)
    for one, more, other in zip(few, many, others, strict=True):
        assert torch.equal(one, more[:4])
        assert not torch.equal(one, other)
        assert not torch.equal(more[0], more[1])


def test_every_class_and_every_image_is_as_likely_in_support_and_query() -> None:
    support, query = draw_episodes(LABELS, ways=3, shots=1, queries=1, count=3000, seed=0)
    for part in (support, query):
        times = Counter(part.flatten().tolist())
        assert len(times) == 90
        assert max(abs(times[i] - 100) for i in range(90)) < 45  # deviation 10
        places = Counter(LABELS[part[:, 0, 0]].tolist())
        assert max(abs(places[c] - 333) for c in range(9)) < 80  # deviation 17


def test_episodes_that_cannot_be_drawn_are_refused() -> None:
    def draw(labels: Tensor, **changed: int) -> None:
        sizes = {"ways": 5, "shots": 2, "queries": 3, "count": 1, "seed": 0} | changed
        draw_episodes(labels, **sizes)

    with pytest.raises(ValueError, match="labels hold 9 classes: an episode needs 10 of them"):
        draw(LABELS, ways=10)
    with pytest.raises(ValueError, match=r"class 0 has 10 images.*9 of 9 .* needs 11 of a class"):
        draw(LABELS, shots=8)
    with pytest.raises(ValueError, match=r"class 8 has 9 images, and 1 of 9 classes"):
        draw(LABELS[:-1], shots=7)
    draw(LABELS, ways=9, shots=7)
    for name, value in {"ways": 1, "shots": 0, "queries": 0, "count": 0, "seed": -1}.items():
        with pytest.raises(ValueError, match=f"episodes of .*'{name}': {value}"):
            draw(LABELS, **{name: value})
    for labels in (LABELS.double(), LABELS[None]):
        with pytest.raises(ValueError, match=r"expected integers of shape \(N,\)"):
            draw(labels)


def test_accuracies_are_those_of_plain_loops() -> None:
    embeddings, labels = cloud(200, seed=1, noise=2.0)
    support, query = draw_episodes(labels, ways=4, shots=3, queries=5, count=20, seed=0)
    accuracy = episode_accuracy(embeddings, support, query)
    assert accuracy.dtype == torch.float64
    assert accuracy.tolist() == pytest.approx(plain_accuracies(embeddings, support, query))
    assert 0.3 < accuracy.mean() < 0.95
    assert accuracy.unique().numel() > 5  # type: ignore[no-untyped-call]


@settings(max_examples=100, deadline=None)
@given(grids(), st.data())
def test_ties_are_wrong(embeddings: Tensor, data: st.DataObject) -> None:
    last = len(embeddings) - 1
    ways, shots = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 3))
    support = integers(data, 0, last, 2 * ways * shots).view(2, ways, shots)
    query = integers(data, 0, last, 2 * ways).view(2, ways, 1)
    accuracy = episode_accuracy(embeddings, support, query).tolist()
    assert accuracy == pytest.approx(plain_accuracies(embeddings, support, query))
    shown, asked = support[:, :, 0], integers(data, 0, last, 6).view(2, 3)
    truth = integers(data, 0, ways - 1, 6).view(2, 3)
    errors = one_shot_error(embeddings, shown, asked, truth).tolist()
    assert errors == pytest.approx(plain_errors(embeddings, shown, asked, truth))


def test_one_shot_errors_are_those_of_plain_loops() -> None:
    embeddings, labels = cloud(200, seed=2, classes=20)
    first = torch.stack([(labels == c).nonzero()[0, 0] for c in range(20)])
    generator = torch.Generator().manual_seed(0)
    support = torch.stack([first[torch.randperm(20, generator=generator)] for _ in range(6)])
    query = torch.randint(0, 200, (6, 30), generator=generator)
    truth = (labels[support][:, None] == labels[query][:, :, None]).byte().argmax(dim=2)
    errors = one_shot_error(embeddings, support, query, truth)
    assert errors.tolist() == pytest.approx(plain_errors(embeddings, support, query, truth))
    assert 0.1 < errors.mean() < 0.9


def test_perfect_and_collapsed_embeddings() -> None:
    support, query = draw_episodes(LABELS, ways=5, shots=2, queries=3, count=7, seed=0)
    shown, asked, truth = support[:, :, 0], query[:, :, 0], torch.arange(5).expand(7, 5)
    for embeddings, right in ((torch.eye(9)[LABELS], 1.0), (torch.full((90, 3), 0.3), 0.0)):
        assert episode_accuracy(embeddings, support, query).tolist() == [right] * 7
        assert one_shot_error(embeddings, shown, asked, truth).tolist() == [1 - right] * 7


def test_bad_input_is_refused() -> None:
    x, two = torch.eye(4), torch.tensor([[0, 1]])
    for bad, text in ((x * torch.nan, "NaN or infinity in 4 of 4"), (x[:0], r"shape \(0, 4\)")):
        with pytest.raises(ValueError, match=text):
            episode_accuracy(bad, two[..., None], two[..., None])
        with pytest.raises(ValueError, match=text):
            one_shot_error(bad, two, two, two)
    with pytest.raises(ValueError, match=r"support has shape \(1, 2\) and query \(1, 2, 1\)"):
        episode_accuracy(x, two, two[..., None])
    with pytest.raises(ValueError, match=r"support has shape \(1, 1, 1\) and query \(1, 2, 1\)"):
        episode_accuracy(x, two[:, :1, None], two[..., None])
    with pytest.raises(ValueError, match=r"shapes \(1, 2\), \(1, 2\) and \(1, 1\)"):
        one_shot_error(x, two, two, two[:, :1])
    with pytest.raises(ValueError, match=r"shapes \(1, 2\), \(2, 1\) and \(2, 1\)"):
        one_shot_error(x, two, two.T, two.T)
    with pytest.raises(ValueError, match=r"query spans 3\.\.4: expected 0\.\.3"):
        one_shot_error(x, two, two + 3, two)
    with pytest.raises(ValueError, match=r"truth spans 1\.\.2: expected 0\.\.1"):
        one_shot_error(x, two, two, two + 1)
    with pytest.raises(ValueError, match=r"support spans -1\.\.0: expected 0\.\.3"):
        episode_accuracy(x, two[..., None] - 1, two[..., None])
    with pytest.raises(ValueError, match=r"query is torch.float32 of shape \(1, 2, 1\)"):
        episode_accuracy(x, two[..., None], two[..., None].float())
    with pytest.raises(ValueError, match=r"support is torch.int64 of shape \(1, 2, 0\)"):
        episode_accuracy(x, two[..., None][..., :0], two[..., None])
