import pytest
from pydantic import ValidationError

from bench.spec import ADDED, NAMES, RunSpec, slug
from tests.support.fabricated import make_spec


def change(spec: RunSpec, **fields: object) -> RunSpec:
    return RunSpec.model_validate(spec.model_dump() | fields)


def test_every_field_but_the_names_moves_the_id() -> None:
    spec = make_spec("digits", "Proxy-NCA", 0)
    others: dict[str, object] = {
        "dataset": "glyphs",
        "split": "official",
        "backbone": "resnet18",
        "embedding_dim": 17,
        "batch_size": 33,
        "steps": 101,
        "evaluate_every": 21,
        "learning_rate": 0.002,
        "weight_decay": 0.0,
        "augmentation": "none",
        "resize": 72,
        "crop": 64,
        "loss": "triplet",
        "loss_args": {"scale": 3.0},
        "loss_learning_rate": 0.2,
        "samples_per_class": 5,
        "seed": 1,
        "weights_sha256": "a" * 64,
        "pooling": "max",
        "layer_norm": True,
        "head_init": "pca",
        "class_vectors_init": "class-means",
        "frozen": "norm",
        "optimizer": "sgd",
        "head_learning_rate": 0.001,
        "momentum": 0.9,
        "epsilon": 1e-6,
        "schedule": "cosine",
        "warmup_steps": 5,
        "decay_every": 20,
        "decay_factor": 0.5,
        "clip_norm": 3.0,
        "precision": "bf16",
        "patience": 3,
        "head_only_steps": 2,
        "interpolation": "bicubic",
        "purpose": "trial",
        "varies": "weights",
    }
    assert others.keys() == RunSpec.model_fields.keys() - {*NAMES, "protocol"}
    for field, value in others.items():
        assert change(spec, **{field: value}).spec_id != spec.spec_id, field
    for field in NAMES:
        assert change(spec, **{field: "another"}).spec_id == spec.spec_id


def test_a_field_that_keeps_its_default_is_left_out_of_the_record() -> None:
    """What was stored before there was such a field keeps its id."""
    spec = make_spec("digits", "Proxy-NCA", 0)
    assert not ADDED & spec.model_dump().keys()
    changed = change(spec, frozen="norm", momentum=0.0).model_dump()
    assert ADDED & changed.keys() == {"frozen"}
    assert RunSpec.model_validate(changed).frozen == "norm"


def test_id_does_not_depend_on_the_order_or_spelling_of_numbers() -> None:
    spec = make_spec("digits", "Proxy-NCA", 0)
    shuffled = dict(reversed(list(spec.model_dump().items()))) | {"weight_decay": 1 / 10000}
    assert RunSpec.model_validate(shuffled).spec_id == spec.spec_id
    one, two = change(spec, learning_rate=1), change(spec, learning_rate=1.0)
    assert one.spec_id == two.spec_id


def test_id_is_pinned() -> None:
    # Results stored by earlier versions are found again only while this holds.
    assert make_spec("digits", "Proxy-NCA", 0).spec_id == "c339f95c5281"


def test_a_specification_is_frozen_and_refuses_unknown_fields() -> None:
    spec = make_spec("digits", "Proxy-NCA", 0)
    with pytest.raises(ValidationError, match="frozen"):
        spec.seed = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="marginn"):
        change(spec, marginn=0.1)
    with pytest.raises(ValidationError, match="protocol"):
        change(spec, protocol=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Center + softmax", "center-softmax"), ("../../etc", "etc"), ("Ж", "method"), ("a", "a")],
)
def test_slug_is_fit_for_a_file_name(text: str, expected: str) -> None:
    assert slug(text) == expected
