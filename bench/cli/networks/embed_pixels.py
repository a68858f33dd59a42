"""The process in which the browser embeds images:
`python -m bench.cli.networks.embed_pixels MODEL`.

Its standard input brings prepared images (N, H, W) or (N, H, W, 3) uint8 as a .npy file; it answers
with their embeddings (N, D) float32 as another. The browser itself thus stays without torch.
"""

import io
import sys
from pathlib import Path

import numpy as np

from bench.cli.networks.embed import BATCH, embed_batch
from bench.suggest import printable
from bench.training.loop import deterministic
from bench.training.stored_model import load_model


def main() -> int:
    """1 and one message if the network cannot be used."""
    try:
        model = load_model(Path(sys.argv[1]))
        pixels = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
        with deterministic():
            parts = [
                embed_batch(model, pixels[start : start + BATCH])
                for start in range(0, len(pixels), BATCH)
            ]
    except (ValueError, OSError) as error:
        print(printable(error), file=sys.stderr)
        return 1
    answer = io.BytesIO()
    np.save(answer, np.concatenate(parts))
    sys.stdout.buffer.write(answer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
