"""`proxy-bench export`: a run's network in a folder of its own, to be used elsewhere."""

import io
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.cli.export_scores import SCORE_FORMATS, add_scores
from bench.datasets import find, load
from bench.datasets.files.work import quiet
from bench.datasets.types import Dataset
from bench.evaluation.score_test import recall_at_one
from bench.metrics import describe, ordered
from bench.reporting.provenance import is_perfect, why_early
from bench.reporting.tables import templates
from bench.spec import RunSpec
from bench.store.runs import Run
from bench.suggest import unknown
from bench.temporary import new_folder
from bench.training.inputs import embed
from bench.training.stored_model import StoredModel, load_model
from bench.weights import locate
from proxy_core.models.folding import unfolded

TOLERANCE = 1e-4  # of the longest embedding; formats round differently
SWAPPED = 0.001  # share of queries whose two nearest images may change places by rounding
CHECKED = (1, 5)  # sizes of the batches of made-up images that formats are compared on
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def export_run(
    run: Run,
    folder: Path,
    formats: Sequence[str],
    data_root: Path | None,
    scores: dict[str, str],
) -> Iterator[str]:
    """Write a new folder with the network, `config.json`, a model card and other formats.

    data_root: where the images of the run are, on which formats are scored if they are here.
    scores: files of its scores, by their path in the folder.
    Yields: lines for the console. Raises: ValueError for a folder that is not empty, an unknown
    format or one whose packages are missing, and for a format that does not give the embeddings of
    the network, or another R@1 than the run has; nothing is then left behind.
    """
    for name in formats:
        check_format(name)
    model = load_model(run.files.model)
    test = find_test(run, data_root) if formats else ""
    with new_folder(folder) as made:
        shutil.copyfile(run.files.model, made / "model.safetensors")
        config = describe_model(model)
        (made / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for name in dict.fromkeys(formats):
            path = made / FORMATS[name][0]
            with warnings.catch_warnings():  # what is wrong shows in the comparison
                warnings.simplefilter("ignore")
                written = FORMATS[name][1](model, path)
                worst = check_same(name, model, written)
            yield f"{name}: the embeddings differ by at most {worst:.1g} from the network's"
            yield f"{name}: {check_recall(name, run, model, written, test)}"
        (made / "README.md").write_text(model_card(run, config, formats), encoding="utf-8")
        add_scores(made, scores)
        files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    for file in files:
        yield f"written {folder / file}"


def check_format(name: str) -> None:
    """Raise ValueError for a format that cannot be written here."""
    if name not in FORMATS:
        raise ValueError(unknown("format", name, [*FORMATS, *SCORE_FORMATS]))
    missing = [package for package in ONNX_PACKAGES if find_spec(package) is None]
    if name == "onnx" and missing:
        raise ValueError(
            f"--format onnx needs {', '.join(missing)}; pip install 'proxy-bench[onnx]'"
        )


def describe_model(model: StoredModel) -> dict[str, Any]:
    """What a program must know to use the network."""
    spec, backbone = model.spec, model.network.backbone
    normalisation = {
        name: values.flatten().tolist()
        for name in ("mean", "std")
        if isinstance(values := getattr(backbone, name, None), Tensor)
    }
    return {
        "backbone": spec.backbone,
        "weights": spec.weights,
        "weights_sha256": spec.weights_sha256,
        "embedding_dim": model.network.embedding_dim,
        "input": {
            "side": model.side,
            "channels": model.channels,
            "range": [0.0, 1.0],
            "resize_shorter_side": spec.resize,
            "resize_interpolation": f"{spec.interpolation}, antialiased" if spec.resize else None,
            "crop": "centre" if spec.resize else None,
            "normalisation_inside_the_network": normalisation or None,
        },
        "spec": spec.model_dump(),
    }


def torch_export(model: StoredModel, path: Path) -> Callable[[Tensor], Tensor]:
    """Write a program of torch.export; returns what the file computes."""
    images = example(model, 2)
    network = unfolded(model.network, images)
    program = torch.export.export(network, (images,), dynamic_shapes=DYNAMIC)
    buffer = io.BytesIO()  # torch ends the process where it finds a disk full
    torch.export.save(program, buffer)
    path.write_bytes(buffer.getvalue())
    loaded: nn.Module = torch.export.load(path).module()
    return loaded


def onnx(model: StoredModel, path: Path) -> Callable[[Tensor], Tensor]:
    """Write an ONNX file; returns what it computes by ONNX Runtime."""
    images = example(model, 2)
    torch.onnx.export(
        unfolded(model.network, images),
        (images,),
        path,
        dynamo=True,
        dynamic_shapes=DYNAMIC,
        input_names=["images"],
        output_names=["embeddings"],
        external_data=False,
        verbose=False,
    )
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def compute(images: Tensor) -> Tensor:
        (embeddings,) = session.run(None, {"images": images.numpy()})
        return torch.from_numpy(embeddings)

    return compute


DYNAMIC = ({0: torch.export.Dim("batch")},)  # any number of images
FORMATS: dict[str, tuple[str, Callable[[StoredModel, Path], Callable[[Tensor], Tensor]]]] = {
    "torch-export": ("model.pt2", torch_export),
    "onnx": ("model.onnx", onnx),
}


def example(model: StoredModel, count: int) -> Tensor:
    """Made-up images (count, channels, side, side) in 0..1."""
    shape = (count, model.channels, model.side, model.side)
    images = np.random.default_rng(count).random(shape, dtype=np.float32)
    return torch.from_numpy(images)


@torch.inference_mode()
def check_same(name: str, model: StoredModel, other: Callable[[Tensor], Tensor]) -> float:
    """Largest difference of two networks' embeddings; ValueError beyond the tolerance."""
    worst = 0.0
    for count in CHECKED:
        images = example(model, count)
        expected, found = model.network(images), other(images)
        difference = float((found - expected).abs().max())
        if not difference <= TOLERANCE * float(expected.norm(dim=1).max()):
            raise ValueError(
                f"--format {name}: its embeddings differ by {difference:.2g} from the network's, "
                "so nothing was written"
            )
        worst = max(worst, difference)
    return worst


def find_test(run: Run, data_root: Path | None) -> Dataset | str:
    """The data set of a run, or why its test images are not here."""
    spec = RunSpec.model_validate(run.spec)
    try:
        found = load(spec.dataset, data_root, spec.split)
        dataset = found.prepare(spec.resize, spec.crop, quiet, spec.interpolation)
    except (OSError, ValueError) as error:
        return str(error)
    stored = run.record["split"]["fingerprint"], run.record["data_checksum"]
    if stored != (dataset.fingerprint, dataset.checksum):
        return f"{spec.dataset} has other images or another split here than the run had"
    return dataset


def check_recall(
    name: str,
    run: Run,
    model: StoredModel,
    other: Callable[[Tensor], Tensor],
    test: Dataset | str,
) -> str:
    """Compare R@1 of a format on the test images with that of the run, in a line for the console.

    Raises: ValueError if they differ by more than rounding can make them.
    """
    if isinstance(test, str):
        return f"R@1 is not compared, as it takes the test images: {test}"
    positions, count = test.test_positions, len(test.split.query)
    embeddings = embed(model.network, test.images, positions, other)
    found, expected = recall_at_one(embeddings, test, positions), run.scores["recall@1"]
    if abs(found - expected) > max(SWAPPED, 1.001 / count):
        raise ValueError(
            f"--format {name}: its R@1 is {found:.4f} on the test images, and {expected:.4f} in "
            "the run, so nothing was written"
        )
    return f"R@1 is {found:.4f} on the {count:,} test images, {expected:.4f} in the run"


def model_card(run: Run, config: dict[str, Any], formats: Sequence[str]) -> str:
    """`README.md`: what the network is, what it was trained on, its scores and how to load it."""
    spec = run.spec
    scores = [
        (describe(key).heading, f"{run.scores[key]:.4f}", f"{start:.4f}")
        for key in ordered(run.scores)
        if (start := run.record["untrained"].get(key)) is not None
    ]
    return (
        templates()
        .get_template("model_card.md")
        .render(
            run=run.name,
            steps=run.steps,
            why_early=why_early(1, int(is_perfect(point["map@r"] for point in run.curve))),
            spec=spec,
            config=config,
            source=find(spec["dataset"]),
            split=run.record["split"],
            checksum=run.record["data_checksum"],
            scores=scores,
            environment=run.record["environment"],
            weights=licence(spec),
            files={name: FORMATS[name][0] for name in dict.fromkeys(formats)},
        )
    )


def licence(spec: Any) -> str:
    """Where the weights come from, and under which licence they are."""
    if spec.get("weights") is None:
        return "none: the network started from random weights"
    try:
        found = locate(spec["backbone"], spec["weights"])
    except (ValueError, OSError):
        return f"{spec['weights']}; the licence is unknown here, where these weights are missing"
    if found.sha256 != spec["weights_sha256"]:
        return f"{spec['weights']}; the licence is unknown here, where the file is another one"
    return f"{found.source}; licence: {found.licence}"
