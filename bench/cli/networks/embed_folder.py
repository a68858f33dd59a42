"""The process in which the browser embeds a folder:
`python -m bench.cli.networks.embed_folder MODEL FOLDER`.

It answers with a .npz file of the images' names in the folder and their embeddings (N, D) float32.
"""

import io
import sys
from pathlib import Path

import numpy as np

from bench.cli.networks.embed import check_whole, embed_images, find_images
from bench.cli.progress import show_work
from bench.suggest import printable
from bench.terminal import plain_console, print_line
from bench.training.stored_model import load_model


def main() -> int:
    """1 and one message if the network or the images cannot be used."""
    path, folder = map(Path, sys.argv[1:])
    console = plain_console(stderr=True)
    try:
        found, notes = find_images([folder], by_lists=False)
        model = load_model(path)
        for note in [*notes, *check_whole(model, found)]:
            print_line(console, note)
        with show_work(console) as report:
            vectors, doubts = embed_images(model, found, report)
        for doubt in doubts:
            print_line(console, doubt)
    except (ValueError, OSError) as error:
        print(printable(f"demo: {error}"), file=sys.stderr)
        return 1
    names = [image.path.relative_to(folder).as_posix() for image in found]
    answer = io.BytesIO()
    np.savez(answer, names=np.array(names), vectors=vectors)
    sys.stdout.buffer.write(answer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
