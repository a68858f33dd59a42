"""The start of a run: the network, its head and the class vectors of the loss."""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.files.cache import cached
from bench.datasets.files.photographs import Photographs
from bench.datasets.images import FeatureImages
from bench.datasets.types import Dataset
from bench.spec import NO_LOSS, RunSpec
from bench.store.environment import PACKAGES, installed_version
from bench.training.checkpoint import kind_of
from bench.training.inputs import embed
from bench.training.sampling import derive
from bench.weights import locate
from proxy_core.losses import LOSSES, HasClassVectors, StartsAtMeans
from proxy_core.models.embedding_model import EmbeddingModel
from proxy_core.models.folding import FoldedConv
from proxy_core.models.weights import load_weights


def build(
    spec: RunSpec, dataset: Dataset, device: torch.device
) -> tuple[EmbeddingModel, nn.Module, Dataset]:
    """Network and loss with their initial parameters, each from its own seed: every loss starts
    from the same network, which makes differences between losses pair by seed.

    Returns: both, and the data set, with features where the network has weights or the start needs
    them. If it has features already, these are used.
    """
    model = make_network(spec, dataset)
    side, _, channels = dataset.images.shape
    check_precision(spec, model, side, channels, device)
    model = model.to(device).to(memory_format=torch.channels_last)
    loss = make_loss(spec, dataset.training_classes, model.embedding_dim).to(device)
    at_data = spec.head_init == "pca" or spec.class_vectors_init != "random"
    if (at_data or spec.weights) and not isinstance(dataset.images, FeatureImages):
        dataset = with_features(spec, dataset, model)
    if at_data:
        start_at_data(spec, model, loss, dataset)
    return model, loss, dataset


def start_at_data(spec: RunSpec, model: EmbeddingModel, loss: nn.Module, dataset: Dataset) -> None:
    """Set head and class vectors from the training images, whose features are computed."""
    train = dataset.split.train
    if spec.head_init == "pca":
        before = model.layer_norm(torch.from_numpy(dataset.images.batch(train)))
        start_at_principal_components(model.head, before)
    if spec.class_vectors_init == "class-means":
        start_at_class_means(loss, embed(model, dataset.images, train), training_labels(dataset))


def make_network(spec: RunSpec, dataset: Dataset) -> EmbeddingModel:
    """The network for the images of a data set, as `network_for` makes it."""
    side, _, channels = dataset.images.shape
    return network_for(spec, side, channels)


def network_for(spec: RunSpec, side: int, channels: int) -> EmbeddingModel:
    """The network with its weights and a random or orthogonal head, for images of side x side.

    Raises: ValueError or OSError as `EmbeddingModel`, `locate` and `load_weights`; ValueError for
    weights that have changed since the specification was made.
    """
    torch.manual_seed(int(derive(spec.seed_of("weights"), "network").integers(2**63)))
    model = random_network(spec, side, channels)
    if spec.head_init == "orthogonal":
        assert isinstance(model.head, nn.Linear)
        nn.init.orthogonal_(model.head.weight)
        nn.init.zeros_(model.head.bias)
    if spec.weights is not None:
        load_weights(model.backbone, spec.backbone, find_weights(spec))
        find_weights(spec)  # it may have been replaced while it was read
    return model


def check_precision(
    spec: RunSpec, model: EmbeddingModel, side: int, channels: int, device: torch.device
) -> None:
    """ValueError where PyTorch computes gradients in bf16 from memory that nothing has written: on
    a CPU, of convolutions whose stride is larger than their maps (seen with PyTorch 2.15)."""
    if spec.precision != "bf16" or device.type != "cpu" or spec.frozen == "backbone":
        return
    if name := strides_beyond_its_maps(model.backbone, side, channels):
        raise ValueError(
            f'precision is "bf16": on a CPU PyTorch computes a wrong gradient of {name} of '
            f"{spec.backbone}, whose stride is larger than its maps; give larger images, a GPU or "
            '"float32"'
        )


def strides_beyond_its_maps(backbone: nn.Module, side: int, channels: int) -> str:
    """The first convolution whose stride is larger than its maps, or nothing. Kernels of one pixel
    and depthwise ones have the right gradient."""
    found, copy = list[str](), deepcopy(backbone).eval()

    def look(name: str, conv: Any, inputs: tuple[Tensor]) -> None:
        if max(conv.stride) > min(inputs[0].shape[2:]):
            found.append(name)

    for name, part in copy.named_modules():
        if not isinstance(part, nn.Conv2d | FoldedConv) or max(part.weight.shape[2:]) == 1:
            continue
        if part.groups == 1 or part.weight.shape[1] > 1:
            part.register_forward_pre_hook(partial(look, name))
    with torch.no_grad():
        copy(torch.zeros(1, channels, side, side))
    return next(iter(found), "")


def find_weights(spec: RunSpec) -> Path:
    """The file of the weights of a specification; ValueError if its content is another."""
    assert spec.weights is not None
    found = locate(spec.backbone, spec.weights)
    if found.sha256 != spec.weights_sha256:
        raise ValueError(
            f"{found.path} has the SHA-256 {found.sha256[:12]}..., and the run began with "
            f"{str(spec.weights_sha256)[:12]}...; restore that file"
        )
    return found.path


def random_network(spec: RunSpec, side: int, channels: int) -> EmbeddingModel:
    """The network of a specification for images of side x side pixels, with random values."""
    return EmbeddingModel(
        spec.backbone,
        channels=channels,
        embedding_dim=spec.embedding_dim,
        pooling=spec.pooling,
        layer_norm=spec.layer_norm,
        frozen=spec.frozen,
        image_side=side,
    )


def make_loss(spec: RunSpec, classes: int, embedding_dim: int) -> nn.Module:
    """The loss with random initial vectors; nothing for a run without training."""
    torch.manual_seed(int(derive(spec.seed_of("weights"), "loss").integers(2**63)))
    if spec.loss == NO_LOSS:
        return nn.Identity()
    loss: nn.Module = LOSSES[spec.loss](classes, embedding_dim, **spec.loss_args)
    return loss


def with_features(spec: RunSpec, dataset: Dataset, model: EmbeddingModel) -> Dataset:
    """The data set with the features of its images by the network as it starts.

    Those of pretrained weights are the same for every loss and seed, so they are kept in the cache.
    """
    if isinstance(dataset.images, Photographs | FeatureImages):
        raise TypeError("photographs must be decoded before their features are computed")
    images, used = dataset.images, np.unique(np.concatenate(list(dataset.split.parts().values())))

    def compute() -> np.ndarray:
        found = embed(model, images, used, model.backbone).numpy()
        table = np.zeros((len(dataset.items), found.shape[1]), dtype=np.float32)
        table[used] = found
        return table

    if spec.weights_sha256 is None:
        return replace(dataset, images=FeatureImages(images, compute()))
    device = next(model.parameters()).device
    settings = {
        "data": [dataset.checksum, dataset.fingerprint],
        "images": [spec.resize, spec.interpolation, *images.shape],
        "order": dataset.items,  # which checksum and fingerprint do not show
        "network": [spec.backbone, spec.weights_sha256, spec.pooling, spec.frozen == "norm"],
        "versions": [installed_version(name) for name in PACKAGES],
        "device": [kind_of(device), torch.get_num_threads()],
    }
    return replace(dataset, images=FeatureImages(images, cached("features", settings, compute)))


def training_labels(dataset: Dataset) -> Tensor:
    """Classes (N,) of the training images in 0..training classes-1, by ascending label."""
    _, numbers = np.unique(dataset.labels[dataset.split.train], return_inverse=True)
    return torch.from_numpy(numbers)


def start_at_principal_components(head: nn.Module, of_images: Tensor) -> None:
    """Set a linear head (F -> D) to the first D principal components of features (N, F), and its
    bias so that their mean becomes 0.

    A component's largest entry is positive. N images have at most N - 1 components; further
    directions are arbitrary ones in which all of these images are equal, so that their coordinates
    there start at 0 (zeros as directions would never be trained). The report says how many there
    are. Raises: ValueError if the features have fewer than D dimensions.
    """
    assert isinstance(head, nn.Linear)
    if head.out_features > head.in_features:
        raise ValueError(
            f'head_init = "pca": the backbone has {head.in_features} features, fewer than '
            f"embedding_dim = {head.out_features}; lower it"
        )
    values = of_images.double()
    mean = values.mean(dim=0)
    centred = values - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    components = vectors.flip(1)[:, : head.out_features].T
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * largest.sign()
    with torch.no_grad():
        head.weight.copy_(components)
        head.bias.copy_(-components @ mean)


@torch.no_grad()
def start_at_class_means(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> None:
    """Set the class vectors of a loss to the means of the embeddings (N, D) of classes (N,).

    Directions, such as proxies, start at the mean of the directions. Where a class has several
    vectors, each keeps a tenth of its random start, so that they can part. Vectors of no single
    class, and losses without vectors, are left as they are.
    """
    if isinstance(loss, StartsAtMeans):
        loss.start_at_means(class_means(embeddings, labels))
    elif isinstance(loss, HasClassVectors):
        means = nn.functional.normalize(class_means(nn.functional.normalize(embeddings), labels))
        vectors, classes, _ = loss.class_vectors()
        own = classes >= 0
        several = len(set(classes[own].tolist())) < int(own.sum())
        vectors[own] = means.to(vectors)[classes[own]] + (0.1 * vectors[own] if several else 0.0)


def class_means(values: Tensor, labels: Tensor) -> Tensor:
    """Means (C, D) of the rows of values (N, D) by label (N,) in 0..C-1."""
    counts = labels.bincount()
    sums = torch.zeros(len(counts), values.shape[1]).index_add_(0, labels, values)
    return sums / counts[:, None]
