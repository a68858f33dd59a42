"""Made-up stored runs, for tests of what reads results: random embeddings scored by plain loops."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import RunSpec
from bench.store.runs import RunDir, save_arrays, save_run
from bench.store.thumbnails import Thumbnails, save_thumbnails, thumbnails_path

METHODS = {
    "Proxy-NCA": "proxy_nca",
    "Triplet, semi-hard": "triplet",
    "Center + softmax": "center",
}
FINGERPRINT = "f" * 64
CLASSES, PER_CLASS, NEIGHBORS = 6, 8, 20


def write_results(results: Path, datasets: tuple[str, ...] = ("digits", "glyphs")) -> Path:
    """Three methods and three seeds on each data set, with curves, queries and pictures."""
    for dataset in datasets:
        write_pictures(results, dataset)
        for rank, method in enumerate(METHODS):
            for seed in range(3):
                write_run(results, make_spec(dataset, method, seed), gain=0.1 * rank)
    return results


def make_spec(dataset: str, method: str, seed: int) -> RunSpec:
    return RunSpec(
        method=method,
        dataset=dataset,
        loss=METHODS[method],
        loss_args={},
        loss_learning_rate=0.1,
        samples_per_class=4,
        seed=seed,
        embedding_dim=16,
        batch_size=32,
        steps=100,
        evaluate_every=20,
        learning_rate=1e-3,
        weight_decay=1e-4,
    )


PRETRAINED: dict[str, Any] = {
    "backbone": "efficientnet_lite0",
    "weights": "pretrained",
    "weights_sha256": "5" * 64,
    "frozen": "norm",
}


def make_features(dataset: str, dimensions: int = 0, **fields: Any) -> RunSpec:
    """A run without training: the pretrained features, or their principal components."""
    head = {"method": "Pretrained features"}
    if dimensions:
        head = {"method": f"Pretrained features, PCA to {dimensions}", "head_init": "pca"}
    return RunSpec(
        dataset=dataset,
        loss="none",
        loss_args={},
        loss_learning_rate=0.0,
        samples_per_class=1,
        seed=0,
        embedding_dim=dimensions,
        batch_size=2,
        steps=0,
        evaluate_every=1,
        learning_rate=1.0,
        weight_decay=0.0,
        augmentation="none",
        **{**PRETRAINED, **head, **fields},
    )


def write_pretrained(results: Path, dataset: str = "digits", **fields: Any) -> Path:
    """Three fine-tuned methods and two seeds, whose rows without training score best."""
    write_pictures(results, dataset)
    for rank, method in enumerate(METHODS):
        for seed in range(2):
            changes = {**PRETRAINED, **fields}
            spec = make_spec(dataset, method, seed).model_copy(update=changes)
            write_run(results, spec, gain=0.1 * rank)
    for size in (0, 16):
        write_run(results, make_features(dataset, size), gain=2.0)
    return results


def checksum_of(dataset: str) -> str:
    return ("d" if dataset == "glyphs" else "c") * 64


def make_pictures(dataset: str = "digits") -> Thumbnails:
    generator = np.random.default_rng(7)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    images = generator.integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
    names = tuple(f"class <b>{label}</b> & é" for label in range(CLASSES))
    items = tuple(f"{label}/{index}.png" for index, label in enumerate(labels))
    return Thumbnails({"images": images}, labels, names, items, checksum_of(dataset))


def write_pictures(results: Path, dataset: str) -> None:
    save_thumbnails(thumbnails_path(results, dataset, FINGERPRINT), make_pictures(dataset))


def write_run(results: Path, spec: RunSpec, *, gain: float) -> Path:
    files = RunDir.of(results, spec)
    files.path.mkdir(parents=True)
    generator = np.random.default_rng([spec.seed, int(gain * 1000)])
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    size = spec.embedding_dim or 16
    centers = generator.normal(size=(CLASSES, size))
    embeddings = centers[labels] * (0.3 + gain) + generator.normal(size=(len(labels), size))
    queries = plain_queries(embeddings, labels)
    metadata = {"spec_id": spec.spec_id, "fingerprint": FINGERPRINT}
    save_arrays(files.queries, queries, metadata)
    arrays: dict[str, np.ndarray] = {
        "embeddings": embeddings.astype(np.float32),
        "labels": labels,
    }
    save_arrays(files.embeddings, arrays, metadata)
    scores = plain_scores(queries)
    write_curve(files.curve, spec, scores, gain)
    record = make_record(spec, scores, len(labels), seconds_at(spec.steps, gain))
    save_run(files, record)
    return files.path


def seal(directory: Path, **changes: object) -> None:
    """Write `run.json` again with other fields, and with the digests of the files as they are."""
    files = RunDir(directory)
    save_run(files, {**json.loads(files.record.read_text()), **changes})


def end_early(directory: Path, step: int) -> None:
    """Let a stored run end at one of its validations."""
    files = RunDir(directory)
    points = [json.loads(line) for line in files.curve.read_text().splitlines()]
    kept = [point for point in points if point["step"] <= step]
    files.curve.write_text("".join(json.dumps(point) + "\n" for point in kept))
    seal(directory, cost={"images": kept[-1]["images"], "train_seconds": kept[-1]["seconds"]})


def owner(directory: Path) -> dict[str, str]:
    """What the arrays of a run hold beside the numbers."""
    record = json.loads((directory / "run.json").read_text())
    return {"spec_id": record["spec_id"], "fingerprint": record["split"]["fingerprint"]}


def plain_queries(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, : len(labels) - 1]
    hits = labels[order] == labels[:, None]
    relevant = PER_CLASS - 1
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    average = (precision * hits)[:, :relevant].sum(axis=1) / relevant
    nearest = order[:, :NEIGHBORS]
    return {
        "neighbors": nearest.astype(np.int32),
        "similarities": np.take_along_axis(similarity, nearest, 1).astype(np.float16),
        "relevant": np.full(len(labels), relevant, dtype=np.int32),
        "first_hit": (hits.argmax(axis=1) + 1).astype(np.int32),
        "average_precision": average.astype(np.float32),
        "r_precision": hits[:, :relevant].mean(axis=1).astype(np.float32),
    }


def plain_scores(queries: dict[str, np.ndarray]) -> dict[str, float]:
    recalls = {f"recall@{k}": float((queries["first_hit"] <= k).mean()) for k in (1, 2, 4, 8)}
    return recalls | {
        "r_precision": float(queries["r_precision"].mean()),
        "map@r": float(queries["average_precision"].mean()),
        "nmi": 0.5,
        "nmi_min": 0.48,
        "nmi_max": 0.53,
        "ami": 0.4,
        "ami_min": 0.38,
        "ami_max": 0.43,
        "queries_without_relevant": 0,
    }


def write_curve(path: Path, spec: RunSpec, scores: dict[str, float], gain: float) -> None:
    lines = []
    for step in range(0, spec.steps + 1, spec.evaluate_every):
        share = 1 - np.exp(-step * (0.02 + gain / 5))
        point = {
            "step": step,
            "epoch": step * spec.batch_size / 1000,
            "images": step * spec.batch_size,
            "seconds": seconds_at(step, gain),
            "loss": None if step == 0 else 3.0 - share,
        }
        metrics = {key: 0.1 + share * (scores[key] - 0.1) for key in ("recall@1", "map@r")}
        lines.append(json.dumps(point | metrics) + "\n")
    path.write_text("".join(lines))


def seconds_at(step: int, gain: float) -> float:
    return step * 0.01 * (1 + gain)


def make_record(
    spec: RunSpec, scores: dict[str, float], test_images: int, seconds: float = 1.0
) -> dict[str, object]:
    untrained = {key: value * 0.5 for key, value in scores.items()}
    counts = {"train_images": 800, "train_classes": 80}
    counts |= {"validation_images": 200, "validation_classes": 20}
    counts |= {"test_images": test_images, "test_classes": CLASSES}
    drawn = {"drawn": "d" * 64} if spec.varied("split") else {}
    return {
        "spec_id": spec.spec_id,
        "spec": spec.model_dump(),
        "split": {"protocol": spec.split, "fingerprint": FINGERPRINT, **drawn, **counts},
        "data_checksum": checksum_of(spec.dataset),
        "picture_names": make_pictures().names_digest,
        "scores": scores,
        "untrained": untrained,
        "cost": {
            "train_seconds": seconds,
            "total_seconds": 2.0,
            "images": spec.steps * spec.batch_size,
        },
        "parameters": {"count": 12345, "sha256": "a" * 64},
        "files": {},
        "environment": {
            "python": "3.11.7",
            "packages": {"torch": "2.15.0", "numpy": "2.4.6", "proxy-bench": "0.1.0"},
            "platform": "Linux-6.1-x86_64",
            "cpu": "A made-up CPU",
            "device": "cpu",
            "threads": 1,
            "commit": "0123456789ab",
            "finished": "2026-11-23T12:00:00+00:00",
        },
    }
