"""What every entry of `LOSSES` promises; a new loss is covered by its line in the table."""

import inspect
import re
from inspect import signature
from math import inf, nan
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.func import functional_call

from proxy_core.hyper_parameters import allowed, bounds, checked, is_allowed, search_range
from proxy_core.losses import LOSSES, ClusteredBatches, HasClassVectors
from proxy_core.metrics.retrieval import rank
from tests.support.largest import Largest
from tests.support.loss_variants import CLASSES, DIM, VARIANTS, make

# At the scales of their papers, meant for hundreds of classes, these two fit the overlap of four
# clouds rather than their centers; the peer's do so too.
MILDER = {"proxy_anchor": {"scale": 8.0}, "soft_triple": {"scale": 10.0}}
every_loss = pytest.mark.parametrize("name", LOSSES)
every_variant = pytest.mark.parametrize("name", VARIANTS)


def batch(size: int = 12, seed: int = 0, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(size, DIM, generator=generator, dtype=torch.float64)
    return embeddings, torch.arange(size) % classes


def gradient(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
    leaf = embeddings.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(leaf, labels), leaf)
    return grad


@every_variant
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


@every_variant
def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    embeddings, labels = batch()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    first, second = make(name).double(), make(name).double()
    torch.testing.assert_close(first(embeddings, labels), second(embeddings[order], labels[order]))
    for one, other in zip(first.buffers(), second.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@every_variant
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
    reached = [rank(network(points), labels).average_precision.mean()]
    for step in range(1, 301):
        optimizer.zero_grad()
        loss(network(points), labels).backward()
        optimizer.step()
        if step % 50 == 0:
            reached.append(rank(network(points), labels).average_precision.mean())
            if reached[-1] > 0.45:
                break
    assert reached[0] < 0.12  # random embeddings: about 0.08
    assert reached[-1] > 0.45  # after 300 steps: 0.47 to 0.76


@every_variant
@pytest.mark.parametrize("size", [1, 2, 7])
def test_small_batches_give_a_finite_scalar(name: str, size: int) -> None:
    embeddings, labels = batch(size)
    loss = make(name)
    value = loss(embeddings.float(), labels)
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert gradient(loss, embeddings.float(), labels).isfinite().all()


@every_variant
@pytest.mark.parametrize("factor", [0.0, 1e-25, 1e-6, 1e6, 1e15])
def test_gradients_are_finite_at_every_length(name: str, factor: float) -> None:
    embeddings, labels = batch()
    embeddings[::2] *= factor
    loss = make(name)
    assert loss(embeddings.float(), labels).isfinite()
    assert gradient(loss, embeddings.float(), labels).isfinite().all()


@every_variant
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


@every_variant
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


@every_variant
def test_embeddings_with_nan_give_nan(name: str) -> None:
    embeddings, labels = batch()
    embeddings[3, 1] = torch.nan
    assert make(name)(embeddings.float(), labels).isnan()


@every_loss
@pytest.mark.parametrize("factor", [1e20, 1e30])
def test_embeddings_too_long_for_single_precision_give_no_wrong_loss(
    name: str, factor: float
) -> None:
    """As zero rows they would give a finite loss and no gradient."""
    embeddings, labels = batch()
    embeddings[3] *= factor
    found = make(name)(embeddings.float(), labels)
    if found.isfinite():  # where lengths are not squared, or in double precision
        torch.testing.assert_close(found, make(name)(embeddings, labels).float())


@every_loss
def test_two_classes_work(name: str) -> None:
    embeddings, labels = batch(classes=2)
    loss = make(name, classes=2)
    assert loss(embeddings.float(), labels).isfinite()
    assert gradient(loss, embeddings.float(), labels).count_nonzero() > 0


@every_variant
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
        assert is_allowed(parameter.default, hint)


@every_loss
def test_the_docstring_holds_a_line_of_description_and_a_source(name: str) -> None:
    lines = inspect.getdoc(LOSSES[name]).splitlines()  # type: ignore[union-attr]
    assert lines[0].endswith(".")
    assert lines[1] == ""
    assert any(re.search(r"https://(arxiv\.org/abs|doi\.org)/", line) for line in lines)


@every_variant
def test_the_state_survives_a_checkpoint(name: str) -> None:
    embeddings, labels = batch()
    loss, restored = make(name), make(name, seed=6)
    loss(embeddings.float(), labels)
    restored.load_state_dict(loss.state_dict())
    for _ in range(2):
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
    vectors, classes, _ = loss.class_vectors()
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
    vectors, classes, _ = loss.class_vectors()
    assert classes.tolist() == [0, 0, 1, 1, 2, 2]
    vectors[:2] = torch.eye(5)[:2]  # class 0 along the first two axes, the others far from them
    vectors[2:] = torch.eye(5)[4]
    near, far = torch.eye(5)[[0, 1]], torch.eye(5)[[2, 2]]
    assert loss(near, torch.tensor([0, 0])) < loss(far, torch.tensor([0, 0]))


@every_loss
def test_only_magnet_composes_its_batches(name: str) -> None:
    assert isinstance(make(name), ClusteredBatches) == (name == "magnet")


@every_variant
@pytest.mark.parametrize("classes", [3, 25])
def test_no_tensor_is_larger_than_images_by_images_or_images_by_vectors(
    name: str, classes: int
) -> None:
    """With few classes, most triplets and pairs of 100 images would not fit."""
    embeddings, labels = batch(100, classes=classes)
    loss, leaf = make(name, classes), embeddings.requires_grad_()
    vectors = len(loss.class_vectors().vectors) if isinstance(loss, HasClassVectors) else 0
    with Largest() as largest:  # type: ignore[no-untyped-call]
        torch.autograd.grad(loss(leaf, labels), leaf)
    assert leaf.numel() <= largest.elements <= 100 * max(100, vectors)


@every_loss
@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        ((3, DIM + 1), [0, 1, 2], r"embeddings have shape \(3, 7\): expected \(B, 6\)"),
        ((DIM,), [0], r"embeddings have shape \(6,\)"),
        ((3, DIM), [0, 1], r"labels have shape \(2,\): expected \(3,\)"),
        ((3, DIM), [[0], [1], [2]], r"labels have shape \(3, 1\)"),
        ((0, DIM), [], r"batch is empty \(B = 0\)"),
        ((3, DIM), [0, 1, 4], r"labels span 0\.\.4: expected 0\.\.3 for 4 classes"),
        ((3, DIM), [-1, 1, 2], r"labels span -1\.\.2"),
        ((3, DIM), [0.0, 1.0, 2.0], r"labels are of type torch.float32: expected torch.int64"),
    ],
)
def test_other_batches_are_refused(
    name: str, embeddings: tuple[int, ...], labels: list[int], message: str
) -> None:
    numbers = torch.tensor(labels) if labels else torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match=message):
        make(name)(torch.zeros(embeddings), numbers)


@every_loss
def test_integer_embeddings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"embeddings are of type torch.int64"):
        make(name)(torch.zeros(2, DIM, dtype=torch.int64), torch.tensor([0, 1]))


@every_loss
def test_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="unknown_argument"):
        LOSSES[name](CLASSES, DIM, unknown_argument=1)


def declared(name: str) -> dict[str, Any]:
    """The declared types of a loss's constructor arguments."""
    hints = get_type_hints(LOSSES[name].__init__, include_extras=True)
    return {key: hint for key, hint in hints.items() if key != "return"}


def build(name: str, argument: str, value: object) -> nn.Module:
    arguments = {"num_classes": CLASSES, "embedding_dim": DIM} | {argument: value}
    return LOSSES[name](**arguments)


def beyond(hint: Any) -> list[Any]:
    """Values just outside a declared type, and those of another type."""
    if get_origin(hint) is Literal:
        return ["other", "", None, 1]
    kind, *ends = bounds(hint)
    values: list[Any] = [inf, -inf, nan, "1", None, True]
    step: Any = 1 if kind is int else 1e-9
    for bound in ends:
        if isinstance(bound, Gt):
            values += [bound.gt, bound.gt - step]
        else:
            values.append(bound.ge - step if isinstance(bound, Ge) else bound.le + step)
    return [*values, 2.5] if kind is int else values


def within(hint: Any) -> list[Any]:
    """The choices of a declared type, or values at and just inside its ends."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    kind, low, *high = bounds(hint)
    lowest = low.ge if isinstance(low, Ge) else low.gt + 1e-6
    return [kind(lowest), kind(high[0].le if high else 1000)]


EACH = [(name, argument) for name in LOSSES for argument in declared(name)]


def test_an_argument_without_a_range_is_refused_by_name() -> None:
    @checked
    def constructor(num_classes: int) -> None: ...

    with pytest.raises(
        ValueError, match=r"num_classes of .*constructor is declared as <class 'int'>"
    ):
        constructor(3)


def test_every_number_but_counts_has_a_range_to_search_which_is_allowed() -> None:
    for name, argument in EACH:
        hint = declared(name)[argument]
        searched = search_range(hint)
        number = get_origin(hint) is not Literal and bounds(hint)[0] is float
        assert (searched is not None) == (number and argument != "proxies_per_class")
        if searched:
            default = signature(LOSSES[name]).parameters[argument].default
            assert is_allowed(searched.low, hint)
            assert is_allowed(searched.high, hint)
            assert searched.low > 0 or not searched.log
            assert default == 0 or searched.low <= default <= searched.high


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_arguments_outside_their_declared_type_are_refused(name: str, argument: str) -> None:
    hint = declared(name)[argument]
    for value in beyond(hint):
        message = f"{argument} is {value!r}: it must be {allowed(hint)}"
        with pytest.raises(ValueError, match=re.escape(message)):
            build(name, argument, value)


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_arguments_at_the_ends_of_their_declared_range_are_taken(name: str, argument: str) -> None:
    if argument == "proxies_per_class":  # with these few classes its ends fail together with them
        assert build(name, argument, 1000)
        return
    for value in within(declared(name)[argument]):
        assert isinstance(build(name, argument, value), nn.Module)


def test_declared_types_in_words() -> None:
    assert allowed(Annotated[float, Gt(0), Le(4)]) == "a number in (0, 4]"
    assert allowed(Annotated[float, Ge(-1)]) == "a number in [-1, inf)"
    assert allowed(Annotated[int, Ge(1), Le(1000)]) == "a whole number in [1, 1000]"
    assert allowed(Literal["a", "b", "c"]) == "'a', 'b' or 'c'"


def test_numbers_of_numpy_are_numbers() -> None:
    loss = LOSSES["soft_triple"](np.int64(3), 2, scale=np.float32(2), centers_per_class=np.int32(2))
    assert isinstance(loss, nn.Module)


def computed(name: str, device: str) -> dict[str, Tensor]:
    """Value of a loss, its gradients, and its state after the call, on the CPU."""
    loss = make(name, 20).double().to(device)
    embeddings, labels = batch(60, classes=15)
    leaf = embeddings.to(device).requires_grad_()
    value = loss(leaf, labels.to(device))
    parameters = dict(loss.named_parameters())
    gradients = torch.autograd.grad(value, [leaf, *parameters.values()])
    found = dict(zip(["value", "embeddings", *parameters], [value, *gradients], strict=True))
    state = {f"state {key}": buffer for key, buffer in loss.named_buffers()}
    return {key: tensor.detach().cpu() for key, tensor in (found | state).items()}


@pytest.mark.gpu
@every_variant
def test_on_cuda_values_are_repeatable_and_those_of_the_cpu(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.use_deterministic_algorithms(True)
    try:
        once, again, expected = (computed(name, d) for d in ("cuda", "cuda", "cpu"))
    finally:
        torch.use_deterministic_algorithms(False)
    assert once.keys() == expected.keys()
    for key in once:
        assert torch.equal(once[key], again[key]), key
        torch.testing.assert_close(once[key], expected[key], rtol=1e-7, atol=1e-10, msg=key)
