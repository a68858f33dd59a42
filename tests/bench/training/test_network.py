"""The start of a run: heads at principal components, class vectors at class means."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from bench.datasets import load
from bench.datasets.images import ArrayImages
from bench.datasets.splits import Split
from bench.datasets.types import Dataset
from bench.training import network
from bench.training.network import (
    build,
    start_at_class_means,
    start_at_principal_components,
    with_features,
)
from bench.weights import locate
from proxy_core.losses import LOSSES, HasClassVectors
from proxy_core.models.embedding_model import EmbeddingModel
from tests.support.short_runs import spec_for

CPU = torch.device("cpu")


def cloud(count: int, features: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(features, features, generator=generator)
    return torch.randn(count, features, generator=generator) @ shape + 3


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", None, "class-disjoint")


def test_a_head_starts_at_the_principal_components() -> None:
    features = cloud(200, 12)
    head = nn.Linear(12, 5)
    start_at_principal_components(head, features)
    expected = PCA(5, svd_solver="full").fit_transform(features.double().numpy())
    found = head(features).detach().numpy()
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=2e-4)
    assert (head.weight.abs().max(dim=1).values == head.weight.max(dim=1).values).all()


def test_an_orthogonal_head_starts_without_a_bias(digits: Dataset) -> None:
    heads = [
        build(spec_for(head_init="orthogonal", seed=seed), digits, CPU)[0].head
        for seed in (0, 0, 1)
    ]
    weights = [head.state_dict()["weight"] for head in heads]
    torch.testing.assert_close(weights[0] @ weights[0].T, torch.eye(8), atol=1e-5, rtol=0)
    assert not heads[0].state_dict()["bias"].any()
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_head_of_more_dimensions_than_images_is_orthonormal() -> None:
    head = nn.Linear(12, 9)
    start_at_principal_components(head, cloud(4, 12))
    product = head.weight @ head.weight.T
    torch.testing.assert_close(product, torch.eye(9), atol=1e-5, rtol=0)


def test_a_head_of_more_dimensions_than_features_is_refused() -> None:
    with pytest.raises(ValueError, match="has 4 features, fewer than embedding_dim = 5"):
        start_at_principal_components(nn.Linear(4, 5), cloud(20, 4))


def test_features_in_the_cache_are_those_of_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checksum and fingerprint are those of any order of the images."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path))
    pixels = np.random.default_rng(0).integers(0, 255, (12, 28, 28), dtype=np.uint8)
    names = tuple(f"{i:02}.png" for i in range(12))

    def dataset(order: np.ndarray) -> Dataset:
        found = tuple(names[i] for i in order)
        at = np.argsort(order)
        return Dataset(
            name="digits",
            images=ArrayImages(pixels[order], found),
            labels=order // 2,
            class_names=tuple("abcdef"),
            items=found,
            split=Split("class-disjoint", at[:4], at[4:8], at[8:], at[8:]),
        )

    spec = spec_for(weights_sha256=64 * "0")
    model = build(spec_for(), dataset(np.arange(12)), CPU)[0]
    order = np.random.default_rng(1).permutation(12)
    before = with_features(spec, dataset(np.arange(12)), model).images.batch(order)
    after = with_features(spec, dataset(order), model).images.batch(np.arange(12))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_weights_that_are_replaced_while_they_are_read_are_refused(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"before")
    digest = locate("efficientnet_lite0", str(path)).sha256
    spec = spec_for(backbone="efficientnet_lite0", weights=str(path), weights_sha256=digest)

    def replaced(*_: object) -> None:
        path.write_bytes(b"another file")

    other = EmbeddingModel("conv4", channels=1, embedding_dim=8)
    monkeypatch.setattr(network, "random_network", lambda *_: other)
    monkeypatch.setattr(network, "load_weights", replaced)
    with pytest.raises(ValueError, match="and the run began with"):
        network.make_network(spec, digits)


@pytest.mark.parametrize("name", LOSSES)
def test_class_vectors_start_at_the_means_of_their_classes(name: str) -> None:
    labels = torch.arange(60) % 6
    embeddings = 5 * torch.eye(6, 8)[labels] + 0.1 * cloud(60, 8)
    loss = LOSSES[name](6, 8)
    start_at_class_means(loss, embeddings, labels)
    if not isinstance(loss, HasClassVectors):
        return
    vectors, classes, compared = loss.class_vectors()
    for vector, label in zip(vectors, classes.tolist(), strict=True):
        directions = nn.functional.normalize(embeddings[labels == label])
        mean = directions.mean(dim=0)
        assert nn.functional.cosine_similarity(vector, mean, dim=0) > 0.95
    if compared:
        distances = torch.cdist(
            nn.functional.normalize(embeddings), nn.functional.normalize(vectors)
        )
        assert (classes[distances.argmin(dim=1)] == labels).all()


@pytest.mark.parametrize("name", ["softmax", "center"])
def test_a_linear_classifier_starts_as_that_of_the_nearest_mean(name: str) -> None:
    labels = torch.arange(60) % 6
    embeddings = cloud(60, 8)
    means = torch.stack([embeddings[labels == label].mean(dim=0) for label in range(6)])
    loss: Any = LOSSES[name](6, 8)
    start_at_class_means(loss, embeddings, labels)
    logits = loss.head(embeddings)
    distances = torch.cdist(embeddings, means).square()
    differences = logits - logits[:, :1]
    torch.testing.assert_close(
        differences, -0.5 * (distances - distances[:, :1]), atol=1e-3, rtol=0
    )
    if name == "center":
        torch.testing.assert_close(loss.centers, means)


@pytest.mark.parametrize("loss", ["proxy_nca", "triplet", "center"])
def test_every_loss_starts_from_the_same_network(digits: Dataset, loss: str) -> None:
    spec = spec_for(loss, head_init="pca", class_vectors_init="class-means")
    model = build(spec, digits, CPU)[0]
    other = build(spec_for("proxy_nca", head_init="pca"), digits, CPU)[0]
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    plain = build(spec_for(loss), digits, CPU)[0].state_dict()
    assert not torch.equal(model.state_dict()["head.weight"], plain["head.weight"])


@pytest.mark.parametrize(
    ("stride", "side", "groups", "beyond"),
    [
        *((2, 1, 1, True), (3, 2, 1, True), (4, 3, 1, True), (2, 1, 8, True)),
        *((1, 1, 1, False), (2, 2, 1, False), (3, 3, 1, False), (2, 1, 64, False)),
    ],
)
def test_convolutions_whose_gradient_in_bf16_is_wrong_are_found(
    stride: int, side: int, groups: int, beyond: bool
) -> None:
    """The others have the same gradient whatever the memory held before."""
    conv = nn.Conv2d(64, 64, 3, stride, padding=1, groups=groups)
    assert bool(network.strides_beyond_its_maps(nn.Sequential(conv), side, 64)) == beyond
    images = torch.rand(4, 64, side, side)
    gradients: list[Tensor] = []
    for _ in range(4 if not beyond else 0):
        _ = [torch.full((2**size,), 1e30) for size in range(8, 20)]  # then free again
        with torch.autocast("cpu", torch.bfloat16):
            value = conv(images)
        gradients += torch.autograd.grad(value.float().sum(), conv.weight)
    assert all(torch.equal(gradients[0], other) for other in gradients)


def test_bf16_is_taken_where_the_backbone_has_no_gradient() -> None:
    spec = spec_for(backbone="resnet18", precision="bf16")
    model = network.network_for(spec, 8, 1)
    with pytest.raises(ValueError, match="precision is"):
        network.check_precision(spec, model, 8, 1, CPU)
    frozen = spec.model_copy(update={"frozen": "backbone"})
    network.check_precision(frozen, model, 8, 1, CPU)
