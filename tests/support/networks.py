"""A made-up run with the network that it stored."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.cli.networks.embed import embed_batch
from bench.store.runs import Run, RunDir, load_run, save_arrays, save_run
from bench.training.network import network_for
from bench.training.stored_model import load_model, save_model
from tests.support.fabricated import make_pictures, make_spec, owner, write_pictures, write_run


def write_run_with_network(results: Path) -> Run:
    """A run on made-up digits, embedded by the random network that it stored."""
    spec, pictures = make_spec("digits", "Proxy-NCA", 0), make_pictures()
    write_pictures(results, spec.dataset)
    files = RunDir(write_run(results, spec, gain=0.1))
    record = load_run(files).record
    shape, checksum = SimpleNamespace(shape=(8, 8, 1)), record["data_checksum"]
    dataset: Any = SimpleNamespace(images=shape, checksum=checksum)
    save_model(files.model, network_for(spec, 8, 1), spec, dataset)
    vectors = embed_batch(load_model(files.model), pictures.files["images"])
    arrays = {"embeddings": vectors, "labels": pictures.labels}
    save_arrays(files.embeddings, arrays, owner(files.path))
    save_run(files, record)
    return load_run(files)
