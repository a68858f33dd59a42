"""Made-up results and a folder whose names would run, steer or break a page that trusted them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.store.runs import directories
from bench.store.thumbnails import Thumbnails, as_jpegs, save_thumbnails, thumbnails_path
from demo.own.folder import Folder
from tests.support.fabricated import (
    FINGERPRINT,
    make_pictures,
    make_spec,
    seal,
    write_results,
    write_run,
)
from tests.support.histories import write_history

RUN = "document.body.dataset.run=1"
NAMES = (  # of classes
    f"${{{RUN}}}",
    f"<img src=x onerror={RUN}>",
    f"</script><script>{RUN}</script>",
    "{{this}} `tick` \"double\" 'single' \\",
    "\u200fשלום\u200f (right to left)",
    f"{'a long name with its difference at its end ' * 3}&amp; <b>7</b>",
)
METHOD = f"Proxy-NCA <img src=x onerror={RUN}> ${{{RUN}}}"


def write_awkward_results(results: Path) -> Path:
    """Runs of four methods; two of them have histories."""
    write_results(results, ("digits",))
    for seed in range(2):
        write_history(results, make_spec("digits", "Proxy-NCA", seed))
    spec = make_spec("digits", "Proxy-NCA", 0).model_copy(update={"method": METHOD})
    write_run(results, spec, gain=0.5)
    items = tuple(f"{name} {n}" for n, name in enumerate(NAMES * 8))
    pictures = replace(make_pictures(), class_names=NAMES, items=items)
    save_thumbnails(thumbnails_path(results, "digits", FINGERPRINT), pictures)
    for files in directories(results):
        seal(files.path, picture_names=pictures.names_digest)
    return results


def awkward_folder(place: Path) -> Folder:
    """Images with these names, without a network that embedded them."""
    generator = np.random.default_rng(3)
    images = generator.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    names = tuple(f"{n % 4}/{name}.png" for n, name in enumerate(NAMES * 4))
    vectors = generator.normal(size=(len(names), 8)).astype(np.float32)
    vectors[6:8] = vectors[:2]  # near duplicates
    labels = np.zeros(len(names), np.int64)
    return Folder(place, "run", vectors, Thumbnails(as_jpegs(images), labels, ("",), names, "x"))
