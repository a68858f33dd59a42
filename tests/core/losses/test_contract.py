"""What every entry of `LOSSES` promises; a new loss is covered by its line in the table."""

import inspect
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from proxy_core.hyper_parameters import check_argument
from proxy_core.losses import LOSSES, ClusteredBatches, HasClassVectors
from proxy_core.metrics.retrieval import rank

CLASSES, DIM = 4, 6
# At the scales of their papers, meant for hundreds of classes, these two fit the overlap of four
# clouds rather than their centers; the peer's do so too.
MILDER = {"proxy_anchor": {"scale": 8.0}, "soft_triple": {"scale": 10.0}}
every_loss = pytest.mark.parametrize("name", LOSSES)


def make(name: str, classes: int = CLASSES) -> nn.Module:
    torch.manual_seed(5)
    return LOSSES[name](classes, DIM)


def batch(size: int = 12, seed: int = 0, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(size, DIM, generator=generator, dtype=torch.float64)
    return embeddings, torch.arange(size) % classes


def gradient(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
    leaf = embeddings.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(leaf, labels), leaf)
    return grad


@every_loss
def test_gradients_of_embeddings_and_parameters_match_finite_differences(name: str) -> None:
    loss = make(name).double().eval()  # a state that moves with each call has no derivative
    embeddings, labels = batch()
    names = [key for key, _ in loss.named_parameters()]

    def value(vectors: Tensor, *parameters: Tensor) -> Tensor:
        replaced = dict(zip(names, parameters, strict=True))
        result: Tensor = functional_call(loss, replaced, (vectors, labels))
        return result

    inputs = [embeddings.requires_grad_(), *loss.parameters()]
    assert torch.autograd.gradcheck(value, inputs)


@every_loss
def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    embeddings, labels = batch()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    first, second = make(name).double(), make(name).double()
    torch.testing.assert_close(first(embeddings, labels), second(embeddings[order], labels[order]))
    for one, other in zip(first.buffers(), second.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@every_loss
def test_second_derivatives_are_right_or_refused(name: str) -> None:
    """The slope of |gradient|^2 along a direction, against its central difference."""
    loss = make(name).double().eval()
    embeddings, labels = batch()
    direction, _ = batch(seed=9)

    def penalty(vectors: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(loss(vectors, labels), vectors, create_graph=True)
        return slope.square().sum()

    leaf = embeddings.clone().requires_grad_()
    try:
        value = penalty(leaf)
    except RuntimeError as error:
        assert "can be differentiated once only" in str(error)  # noqa: PT017
        return
    found = 0.0
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value, leaf)
        found = (slope * direction).sum().item()
    ends = [(embeddings + step * direction).requires_grad_() for step in (1e-6, -1e-6)]
    expected = (penalty(ends[0]) - penalty(ends[1])).item() / 2e-6
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def clouds() -> tuple[Tensor, Tensor]:
    """Four overlapping classes of fifty points, hidden by noise in 12 of 16 dimensions."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(200) % CLASSES
    points = 2.0 * torch.randn(200, 16, generator=generator)
    points[:, :4] = torch.eye(CLASSES)[labels] + 0.4 * torch.randn(200, 4, generator=generator)
    return points, labels


@pytest.mark.parametrize(
    ("name", "settings"),
    [(name, MILDER.get(name, {})) for name in LOSSES]
    + [
        ("triplet", {"mining": "all"}),
        ("triplet", {"mining": "random"}),
        # Not "hard": on overlapping clouds the hardest triplets are outliers, and it collapses.
        ("triplet", {"mining": "distance-weighted", "surrogate": "nca"}),
        ("margin", {"boundaries": "per class"}),
        ("center", {"update": "gradient"}),
        ("proxy_nca", {"proxies_per_class": 3.0}),
        # Dynamic assignment must find a division by itself, which takes more proxies than classes.
        ("proxy_nca_softmax", {"scale": 6.0, "assignment": "dynamic", "proxies_per_class": 4.0}),
        ("proxy_triplet", {"assignment": "dynamic", "proxies_per_class": 8.0}),
        ("proxy_anchor", {"scale": 8.0, "assignment": "dynamic", "proxies_per_class": 2.0}),
    ],
)
def test_descent_separates_the_classes(name: str, settings: dict[str, Any]) -> None:
    points, labels = clouds()
    torch.manual_seed(5)
    loss = LOSSES[name](CLASSES, DIM, **settings)
    network = nn.Linear(16, DIM)
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=0.03)
    before = rank(network(points), labels).average_precision.mean()
    for _ in range(300):
        optimizer.zero_grad()
        loss(network(points), labels).backward()
        optimizer.step()
    after = rank(network(points), labels).average_precision.mean()
    assert before < 0.12  # random embeddings: about 0.08
    assert after > 0.45  # reached: 0.51 to 0.76


@every_loss
@pytest.mark.parametrize("size", [1, 2, 7])
def test_small_batches_give_a_finite_scalar(name: str, size: int) -> None:
    embeddings, labels = batch(size)
    loss = make(name)
    value = loss(embeddings.float(), labels)
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert gradient(loss, embeddings.float(), labels).isfinite().all()


@every_loss
@pytest.mark.parametrize("factor", [0.0, 1e-25, 1e-6, 1e6, 1e15])
def test_gradients_are_finite_at_every_length(name: str, factor: float) -> None:
    embeddings, labels = batch()
    embeddings[::2] *= factor
    loss = make(name)
    assert loss(embeddings.float(), labels).isfinite()
    assert gradient(loss, embeddings.float(), labels).isfinite().all()


@every_loss
def test_a_class_may_be_absent_from_the_batch(name: str) -> None:
    embeddings, _ = batch()
    labels = torch.tensor([0, 3] * 6)
    loss = make(name)
    leaf = embeddings.float().requires_grad_()
    inputs = [leaf, *loss.parameters()]
    for grad in torch.autograd.grad(loss(leaf, labels), inputs):
        assert grad.isfinite().all()
        assert grad.count_nonzero() > 0


@every_loss
def test_one_class_works_or_is_refused(name: str) -> None:
    try:
        loss = LOSSES[name](1, DIM)
    except ValueError as error:
        assert str(error) == "num_classes is 1: it must be a whole number in [2, inf)"  # noqa: PT017
        return
    embeddings, labels = batch(classes=1)
    assert loss(embeddings.float(), labels).isfinite()
    assert gradient(loss, embeddings.float(), labels).isfinite().all()


@every_loss
@pytest.mark.parametrize("factor", [0.0, 1.0])
@pytest.mark.parametrize("classes", [1, CLASSES])
def test_repeated_images_and_nothing_but_zeros_are_finite(
    name: str, factor: float, classes: int
) -> None:
    """Three equal images of each class, all images of one class, and a batch of zero vectors."""
    embeddings, labels = batch(4, classes=classes)
    repeated = (factor * embeddings[labels]).float().repeat(3, 1)
    loss = make(name)
    leaf = repeated.requires_grad_()
    value = loss(leaf, labels.repeat(3))
    assert value.isfinite()
    for grad in torch.autograd.grad(value, [leaf, *loss.parameters()]):
        assert grad.isfinite().all()


@every_loss
def test_embeddings_with_nan_give_nan(name: str) -> None:
    embeddings, labels = batch()
    embeddings[3, 1] = torch.nan
    assert make(name)(embeddings.float(), labels).isnan()


@every_loss
def test_two_classes_work(name: str) -> None:
    embeddings, labels = batch(classes=2)
    loss = make(name, classes=2)
    assert loss(embeddings.float(), labels).isfinite()
    assert gradient(loss, embeddings.float(), labels).count_nonzero() > 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(name: str, dtype: torch.dtype) -> None:
    embeddings, labels = batch()
    half = embeddings.to(dtype)
    single = make(name)(half.float(), labels)
    with torch.autocast("cpu", dtype=dtype):
        inside = make(name)(half, labels)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, single)


@every_loss
def test_hyper_parameters_are_keyword_only_with_a_default_and_a_declared_type(name: str) -> None:
    parameters = inspect.signature(LOSSES[name]).parameters
    hints = get_type_hints(LOSSES[name].__init__, include_extras=True)
    assert list(parameters)[:2] == ["num_classes", "embedding_dim"]
    for parameter in list(parameters.values())[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        hint = hints[parameter.name]
        assert get_origin(hint) is Literal or get_args(hint)[0] in (int, float)
        check_argument(parameter.name, parameter.default, hint)


@every_loss
def test_the_docstring_holds_a_line_of_description_and_a_source(name: str) -> None:
    lines = inspect.getdoc(LOSSES[name]).splitlines()  # type: ignore[union-attr]
    assert lines[0].endswith(".")
    assert lines[1] == ""
    assert any(re.search(r"https://(arxiv\.org/abs|doi\.org)/", line) for line in lines)


@every_loss
def test_the_state_survives_a_checkpoint(name: str) -> None:
    embeddings, labels = batch()
    loss, restored = make(name), LOSSES[name](CLASSES, DIM)
    loss(embeddings.float(), labels)
    restored.load_state_dict(loss.state_dict())
    assert torch.equal(loss(embeddings.float(), labels), restored(embeddings.float(), labels))


CLASS_VECTORS = {  # losses that have them, and where
    **dict.fromkeys(["proxy_nca", "proxy_nca_softmax", "proxy_nca_pp", "proxy_triplet"], "proxies"),
    **dict.fromkeys(["proxy_anchor", "normalized_softmax", "arcface", "cosface"], "proxies"),
    **{"softmax": "head.weight", "soft_triple": "centers", "center": "centers"},
}


@every_loss
def test_class_vectors_are_read_and_set_with_their_classes(name: str) -> None:
    loss = make(name)
    assert isinstance(loss, HasClassVectors) == (name in CLASS_VECTORS)
    if not isinstance(loss, HasClassVectors):
        return
    vectors, classes = loss.class_vectors()
    per_class = len(vectors) // CLASSES
    assert classes.tolist() == [c for c in range(CLASSES) for _ in range(per_class)]
    others = torch.randn(len(classes), DIM)
    vectors.copy_(others)
    stored = loss.state_dict()[CLASS_VECTORS[name]]
    assert torch.equal(stored, others.view(stored.shape))
    assert torch.equal(loss.class_vectors().vectors, others)
    assert not vectors.requires_grad


@pytest.mark.parametrize("settings", [{"proxies_per_class": 0.5}, {"assignment": "dynamic"}])
def test_shared_and_dynamic_proxies_have_no_class(settings: dict[str, Any]) -> None:
    loss = LOSSES["proxy_nca"](CLASSES, DIM, **settings)
    assert isinstance(loss, HasClassVectors)
    assert set(loss.class_vectors().classes.tolist()) == {-1}


def test_several_proxies_of_a_class_have_its_label() -> None:
    loss = LOSSES["proxy_anchor"](3, 5, proxies_per_class=2.0)
    assert isinstance(loss, HasClassVectors)
    vectors, classes = loss.class_vectors()
    assert classes.tolist() == [0, 0, 1, 1, 2, 2]
    vectors[:2] = torch.eye(5)[:2]  # class 0 along the first two axes, the others far from them
    vectors[2:] = torch.eye(5)[4]
    near, far = torch.eye(5)[[0, 1]], torch.eye(5)[[2, 2]]
    assert loss(near, torch.tensor([0, 0])) < loss(far, torch.tensor([0, 0]))


@every_loss
def test_only_magnet_composes_its_batches(name: str) -> None:
    assert isinstance(make(name), ClusteredBatches) == (name == "magnet")
