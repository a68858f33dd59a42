"""Made-up histories beside fabricated runs."""

import json
from pathlib import Path

import numpy as np

from bench.spec import RunSpec
from bench.store.runs import RunDir, save_arrays
from bench.store.thumbnails import Thumbnails, save_thumbnails, thumbnails_path
from tests.support.fabricated import FINGERPRINT, owner, seal

STEPS = (0, 40, 60, 100)
CLASSES, PER_CLASS = 20, 8 + 2  # the 200 validation images of `make_record`


def write_history(results: Path, spec: RunSpec) -> Path:
    """Give a stored run a history in which classes part one after the other, and a curve that
    agrees with it. Returns: the run's directory."""
    files = RunDir.of(results, spec)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    generator = np.random.default_rng(spec.seed)
    noise = generator.normal(size=(len(labels), 16))
    centers = generator.normal(size=(CLASSES, 16))
    spread = np.arange(CLASSES)[labels, None] / CLASSES
    embeddings = [noise + centers[labels] * step / 20 * spread for step in STEPS]
    found = [plain_outcomes(vectors, labels) for vectors in embeddings]
    arrays = {
        "steps": np.array(STEPS),
        "labels": labels,
        "images": np.arange(len(labels)),
        "embeddings": np.stack(embeddings).astype(np.float32),
        "first_hit": np.stack([first for first, _ in found]),
        "average_precision": np.stack([average for _, average in found]),
    }
    save_arrays(files.history, arrays, owner(files.path))
    points = [json.loads(line) for line in files.curve.read_text().splitlines()]
    for point in points:
        if point["step"] in STEPS:
            first, average = found[STEPS.index(point["step"])]
            point |= {"recall@1": float((first == 1).mean())}
            point |= {"map@r": float(average.mean(dtype=np.float64))}
    files.curve.write_text("".join(json.dumps(point) + "\n" for point in points))
    pictures = make_validation_pictures(labels)
    save_thumbnails(thumbnails_path(results, spec.dataset, FINGERPRINT, "validation"), pictures)
    seal(files.path, validation_names=pictures.names_digest)
    return files.path


def plain_outcomes(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First hits and AP@R of images searched among themselves."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1)[:, :-1]
    hits = labels[order] == labels[:, None]
    precision = (np.cumsum(hits, axis=1) / np.arange(1, len(labels)) * hits)[:, : PER_CLASS - 1]
    average = precision.sum(axis=1) / (PER_CLASS - 1)
    return (hits.argmax(axis=1) + 1).astype(np.int32), average.astype(np.float32)


def make_validation_pictures(labels: np.ndarray) -> Thumbnails:
    images = np.random.default_rng(8).integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
    names = tuple(f"validation <i>{label}</i> ${{1}}" for label in range(CLASSES))
    items = tuple(f"v/{index}.png" for index in range(len(labels)))
    return Thumbnails({"images": images}, labels, names, items, "c" * 64)
