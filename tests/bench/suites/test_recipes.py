"""The recipes of the literature: their values are those of the sources, and they train."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.datasets import load
from bench.datasets.files.photographs import Photographs
from bench.datasets.splits import Split
from bench.datasets.types import Dataset
from bench.running.price import SIZES
from bench.running.run import run
from bench.spec import TIMM, RunSpec
from bench.store.runs import load_run
from bench.suites import SuiteError, load_suite, names
from proxy_core.models import timm_backbone
from tests.support.photographs import write_pictures

VIT = {"deit": "timm:deit_small_distilled_patch16_224.fb_in1k"} | {
    "dino": "timm:vit_small_patch16_224.dino",
    "in21k": "timm:vit_small_patch16_224.augreg_in21k",
}
RECIPES = [
    "paper-2017",
    "paper-2017-official",
    "proxy-anchor-r50-512",
    "proxynca-pp-r50-2048",
    "reality-check-128",
    *(f"vit-s-{size}-{kind}" for size in (384, 128) for kind in VIT),
]
# Of these, small images train in the other recipes of their networks.
LARGE = ("proxynca-pp-r50-2048", *(f"vit-s-384-{kind}" for kind in VIT))
FROZEN = [name for name in names() if name.startswith("frozen-")]

# What the sources say, each under the name that it has there; the suites say where. Rates of the
# loss's vectors and scales are converted by the tests below, as the suites explain.
INCEPTION = "timm:inception_v3.tf_in1k"
DICHOTOMIES = {  # github.com/dichotomies/proxy-nca, log/*.json
    "cub200": {"lr": 0.045, "eps": 1.0, "gamma": 0.94, "proxy lr": 1, "x": 3, "p": 3, "epochs": 20},
    "cars196": {"lr": 0.045, "eps": 1.0, "gamma": 0.94, "proxy lr": 1, "x": 3, "p": 3}
    | {"epochs": 50},
    "sop": {"lr": 0.045, "eps": 1.0, "gamma": 0.94, "proxy lr": 10, "x": 1, "p": 8, "epochs": 20},
}
PROXY_ANCHOR = {  # github.com/tjddus9597/Proxy-Anchor-CVPR2020, README.md and code/train.py
    "cub200": {"batch-size": 120, "lr": 1e-4, "warm": 5, "bn-freeze": 1, "lr-decay-step": 5}
    | {"lr-decay-gamma": 0.5},
    "cars196": {"batch-size": 120, "lr": 1e-4, "warm": 5, "bn-freeze": 1, "lr-decay-step": 10}
    | {"lr-decay-gamma": 0.5},
    "sop": {"batch-size": 180, "lr": 6e-4, "warm": 1, "bn-freeze": 0, "lr-decay-step": 20}
    | {"lr-decay-gamma": 0.25},
}
PROXYNCA_PP: dict[str, dict[str, Any]] = {  # github.com/euwern/proxynca_pp, config/*.json
    "cub200": {"nb_epochs": 40, "sz_batch": 32, "sz_embedding": 2048, "num_class_per_batch": 8}
    | {"lr": 4e-3, "eps": 1.0, "proxynca lr": 4e2, "scale": 3},
    "sop": {"nb_epochs": 40 * 2, "sz_batch": 32 * 6, "sz_embedding": 512}
    | {"num_class_per_batch": 32 * 2, "lr": 4e-3 * 6, "eps": 1.0, "proxynca lr": 4e1 * 6}
    | {"scale": 3},
}
PROXYNCA_PP["cars196"] = PROXYNCA_PP["cub200"]
REALITY_CHECK = {  # powerful-benchmarker, docs/papers/mlrc.md: CUB200, Cars196, SOP
    "Triplet": {"margin": (0.0961, 0.1190, 0.0451)},
    "NT-Xent": {"temperature": (0.0091, 0.0219, 0.0002)},
    "ProxyNCA": {"lr": (6.04e-3, 4.43e-3, 5.28e-4), "softmax_scale": (13.98, 7.97, 10.73)},
    "N. Softmax": {"lr": (4.46e-3, 1.10e-2, 5.46e-4), "temperature": (0.1087, 0.0886, 0.0630)},
    "CosFace": {"lr": (2.53e-3, 7.41e-3, 2.16e-3), "margin": (0.6182, 0.4324, 0.3364)}
    | {"scale": (100.0, 161.5, 100.0)},
    "MS + miner": {"alpha": (17.97, 7.49, 15.94), "beta": (75.66, 47.99, 156.61)}
    | {"base": (0.77, 0.63, 0.72), "epsilon": (0.39, 0.72, 0.34)},
}
HYP_VIT: dict[str, dict[str, Any]] = {
    "lr": {"deit": 3e-5, "dino": 1e-5, "in21k": 3e-5}
} | {  # github.com/htdt/hyp_metric
    "epochs": {"cub200": 50, "cars196": 300, "sop": 200},
    "per class": {"cub200": 9, "cars196": 9, "sop": 2},
}


def one_seed(name: str) -> list[RunSpec]:
    return list(load_suite(name, need_weights=False).grid([0]))


def check(spec: RunSpec, epochs: int, **expected: Any) -> None:
    """The fields of a run, and its steps: whole epochs of the training images."""
    assert {field: getattr(spec, field) for field in expected} == pytest.approx(expected)
    epoch = SIZES[spec.dataset, spec.split].train // spec.batch_size
    assert spec.steps == epochs * epoch


def epoch_of(spec: RunSpec) -> int:
    return SIZES[spec.dataset, spec.split].train // spec.batch_size


@pytest.mark.parametrize("name", ["paper-2017", "paper-2017-official"])
def test_the_paper_of_2017(name: str) -> None:
    specs = one_seed(name)
    assert {spec.dataset for spec in specs} == DICHOTOMIES.keys() - (
        {"sop"} if name.endswith("official") else set()
    )
    for spec in specs:
        source = DICHOTOMIES[spec.dataset]
        check(
            spec,
            int(source["epochs"]),
            split="official" if name.endswith("official") else "class-disjoint",
            backbone=INCEPTION,
            embedding_dim=64,
            optimizer="rmsprop",
            learning_rate=source["lr"],
            epsilon=source["eps"],
            weight_decay=0.0,
            schedule="step",
            decay_every=epoch_of(spec),
            decay_factor=source["gamma"],
            batch_size=32,
            augmentation="crop",
            resize=256,
            crop=227,
            frozen="none",
        )
        if spec.method in ("Proxy-NCA", "Proxy-Triplet"):
            assert spec.loss_learning_rate == source["proxy lr"]
            assert spec.samples_per_class == "random"
        if spec.method == "Proxy-NCA":
            assert spec.loss_args["scale"] == 2 * source["x"] * source["p"]


def test_proxy_anchor() -> None:
    for spec in one_seed("proxy-anchor-r50-512"):
        source, epoch = PROXY_ANCHOR[spec.dataset], epoch_of(spec)
        check(
            spec,
            60,
            backbone="timm:resnet50.tv_in1k",
            pooling="avg+max",
            embedding_dim=512,
            batch_size=source["batch-size"],
            samples_per_class="random",
            optimizer="adamw",
            learning_rate=source["lr"],
            loss_learning_rate=100 * source["lr"],
            weight_decay=1e-4,
            head_only_steps=source["warm"] * epoch,
            frozen="norm" if source["bn-freeze"] else "none",
            schedule="step",
            decay_every=source["lr-decay-step"] * epoch,
            decay_factor=source["lr-decay-gamma"],
            augmentation="resized-crop",
            resize=256,
            crop=224,
        )
        assert {"scale": 32, "margin": 0.1}.items() <= spec.loss_args.items()


def test_proxynca_pp() -> None:
    for spec in one_seed("proxynca-pp-r50-2048"):
        source = PROXYNCA_PP[spec.dataset]
        squared_length = source["sz_embedding"] / 64  # of proxies there: randn / 8
        check(
            spec,
            source["nb_epochs"] + 5,
            backbone="timm:resnet50.tv_in1k",
            pooling="max",
            layer_norm=True,
            embedding_dim=source["sz_embedding"],
            batch_size=source["sz_batch"],
            samples_per_class=source["sz_batch"] // source["num_class_per_batch"],
            optimizer="adam",
            epsilon=source["eps"],
            learning_rate=source["lr"],
            loss_learning_rate=source["proxynca lr"] / squared_length,
            weight_decay=0.0,
            head_only_steps=5 * epoch_of(spec),
            schedule="constant",
            frozen="none",
            augmentation="resized-crop",
            resize=288,
            crop=256,
        )
        assert spec.loss_args["temperature"] == pytest.approx(1 / source["scale"] ** 2)


def test_the_reality_check() -> None:
    specs = one_seed("reality-check-128")
    assert {spec.method for spec in specs} == REALITY_CHECK.keys()
    for spec in specs:
        check(
            spec,
            100,
            backbone=INCEPTION,
            embedding_dim=128,
            frozen="norm",
            batch_size=32,
            samples_per_class="random" if "lr" in REALITY_CHECK[spec.method] else 4,
            optimizer="rmsprop",
            learning_rate=1e-6,
            momentum=0.9,
            weight_decay=1e-4,
            patience=9,
            evaluate_every=epoch_of(spec),
            augmentation="resized-crop",
            resize=256,
            crop=227,
        )
        column = ["cub200", "cars196", "sop"].index(spec.dataset)
        source = {name: row[column] for name, row in REALITY_CHECK[spec.method].items()}
        assert spec.loss_learning_rate == source.pop("lr", 0)
        if "softmax_scale" in source:
            source["scale"] = 2 * source.pop("softmax_scale")
        assert {name: spec.loss_args[name] for name in source} == pytest.approx(source)


@pytest.mark.parametrize("dimensions", [384, 128])
@pytest.mark.parametrize("kind", VIT)
def test_vision_transformers(kind: str, dimensions: int) -> None:
    for spec in one_seed(f"vit-s-{dimensions}-{kind}"):
        check(
            spec,
            HYP_VIT["epochs"][spec.dataset],
            backbone=VIT[kind],
            embedding_dim=0 if dimensions == 384 else 128,
            head_init="random" if dimensions == 384 else "orthogonal",
            batch_size=900,
            samples_per_class=HYP_VIT["per class"][spec.dataset],
            optimizer="adamw",
            learning_rate=HYP_VIT["lr"][kind],
            weight_decay=0.01,
            clip_norm=3.0,
            precision="bf16",
            augmentation="resized-crop",
            crop=224,
            frozen="none",
        )
        assert spec.loss_args == {"temperature": 0.1}


@pytest.mark.parametrize("name", FROZEN)
def test_networks_as_they_are_have_no_methods(name: str) -> None:
    suite = load_suite(name, need_weights=False)
    rows = [("Pretrained features", 0, 0), ("Pretrained features, PCA to 128", 128, 0)]
    rows += [("Untrained head", 128, seed) for seed in (0, 1, 2)]
    found = [(one.dataset, one.method, one.embedding_dim, one.seed) for one in suite.specs]
    assert found == [(name, *row) for name in ("cub200", "cars196", "sop") for row in rows]
    assert {(spec.loss, spec.steps, spec.crop) for spec in suite.specs} == {("none", 0, 224)}
    assert len(suite.budgets) == 3


def test_every_network_of_the_recipes_has_a_suite_without_training() -> None:
    used = {spec.backbone for name in RECIPES for spec in one_seed(name)}
    as_they_are = {load_suite(name, need_weights=False).specs[0].backbone for name in FROZEN}
    assert used <= as_they_are


def test_timm_has_every_network_of_the_recipes_at_their_sizes() -> None:
    suites = [load_suite(name, need_weights=False) for name in [*RECIPES, *FROZEN]]
    networks = {
        (budget.backbone, budget.pooling, budget.crop)
        for suite in suites
        for budget in suite.budgets.values()
        if budget.backbone.startswith(TIMM)
    }
    assert len(networks) == 10
    for backbone, pooling, side in networks:
        name = backbone.removeprefix(TIMM)
        timm_backbone.check_name(backbone, name)
        with torch.device("meta"):
            timm_backbone.make_network(backbone, name, pooling, side)


def test_missing_weights_are_refused_where_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    suite = load_suite("proxy-anchor-r50-512", need_weights=False)
    assert all(spec.weights == "pretrained" and not spec.weights_sha256 for spec in suite.specs)
    with pytest.raises(SuiteError, match=r"weights download timm:resnet50\.tv_in1k`"):
        load_suite("proxy-anchor-r50-512")


def miniature(dataset: Dataset, folder: Path) -> Dataset:
    """A part of a data set with its genuine names, under which there are tiny pictures."""
    assert isinstance(dataset.images, Photographs)
    parts = [
        few(dataset, dataset.split.train, 10),
        few(dataset, dataset.split.validation, 3),
        few(dataset, dataset.split.query, 3),
    ]
    kept = np.concatenate(parts)
    write_pictures(folder, [dataset.images.names[position] for position in kept])
    classes, labels = np.unique(dataset.labels[kept], return_inverse=True)
    train, validation, query = np.split(
        np.arange(len(kept)), np.cumsum([len(p) for p in parts])[:2]
    )
    return Dataset(
        name=dataset.name,
        images=Photographs(folder, tuple(dataset.images.names[position] for position in kept)),
        labels=labels.astype(np.int64),
        class_names=tuple(dataset.class_names[label] for label in classes),
        items=tuple(dataset.items[position] for position in kept),
        split=Split(dataset.split.protocol, train, validation, query, query),
    )


def few(dataset: Dataset, positions: np.ndarray, classes: int) -> np.ndarray:
    """Three images of each of the first classes."""
    labels = dataset.labels[positions]
    return np.concatenate([positions[labels == label][:3] for label in np.unique(labels)[:classes]])


def reduced(spec: RunSpec) -> RunSpec:
    """Two steps of a tiny network with random weights; of the first, the head alone where the
    recipe begins so."""
    groups = 1 if spec.samples_per_class == "random" else int(spec.samples_per_class)
    small = "timm:test_vit" if "patch" in spec.backbone else "timm:test_resnet"
    fields: dict[str, Any] = {
        "backbone": small,
        "weights": None,
        "embedding_dim": min(spec.embedding_dim, 16),
        "resize": 32,
        "crop": 32,
    }
    if spec.steps:
        fields |= {"steps": 2, "evaluate_every": 1}
        fields |= {"batch_size": 4 * groups if groups > 1 else 8}
        fields |= {"head_only_steps": min(spec.head_only_steps, 1)}
        fields |= {"decay_every": spec.decay_every and 1}
    return RunSpec.model_validate(spec.model_dump() | fields)


def chosen(name: str) -> list[RunSpec]:
    """Every method on one data set, and every data set with one method."""
    suite = load_suite(name, need_weights=False)
    specs = suite.grid([0]) or suite.untrained
    return [
        spec for spec in specs if spec.method == specs[0].method or spec.dataset == specs[0].dataset
    ]


@pytest.fixture(scope="module")
def tiny(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Dataset]:
    return {
        (name, split): miniature(load(name, data_root, split), tmp_path_factory.mktemp(name))
        for name, split in SIZES
        if name in ("cub200", "cars196", "sop")
    }


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
        for name in (*RECIPES, "frozen-r50", "frozen-dino-s")
    ],
)
def test_each_recipe_trains(
    name: str,
    tiny: dict[Any, Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two steps from random weights, on tiny pictures under the genuine names."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("bench.running.run.load", lambda name, _, split: tiny[name, split])
    for spec in map(reduced, chosen(name)):
        files = run(
            spec,
            tmp_path,
            data_root=None,
            device="cpu",
            keep_model=False,
            report=lambda *_: None,
            stop=bool,
        )
        stored = load_run(files)
        assert stored.curve[-1]["step"] == spec.steps
        assert stored.record["trained"] == bool(spec.steps)
        assert all(np.isfinite(list(stored.scores.values())))
