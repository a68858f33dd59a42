"""The images of a data set as the network sees them, without torch.

Two kinds with the same methods: small images in memory, and photographs that were decoded to files.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from PIL import Image

from bench.datasets.files.pixels import Part
from bench.datasets.files.progress import Report

THUMBNAIL_SIDE = 128  # pixels of a photograph's thumbnail, at most


class Images(Protocol):
    """N images of any kind; of `Photographs`, pixels can be read only after `prepare`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels (1 or 3) of the network's input."""

    @property
    def checksum(self) -> str:
        """SHA-256 (hex) of all names and contents, sorted by name."""

    def __len__(self) -> int: ...

    def prepare(
        self, name: str, resize: int | None, crop: int | None, report: Report
    ) -> "Images": ...

    def require_files(self) -> None:
        """Raise FileNotFoundError naming the image files that are missing."""

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        """Heights and widths (B, 2) of the stored images at `positions` (B,)."""

    def __getitem__(self, position: int) -> np.ndarray:
        """One stored image, before it is cropped: (h, w) or (h, w, 3) uint8."""

    def batch(self, positions: np.ndarray) -> np.ndarray:
        """The images at `positions` without augmentation: (B, H, W) or (B, H, W, 3) uint8."""

    def thumbnail(self, position: int) -> np.ndarray:
        """What the browser shows of one image: (h, w) or (h, w, 3) uint8."""


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """N images of one size in memory.

    pixels: (N, H, W) or (N, H, W, 3) uint8; names: N. Raises ValueError for another shape or type.
    """

    pixels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) < 3 or shape[3:] not in ((), (3,)):
            raise ValueError(
                "images in memory must be (N, H, W) or (N, H, W, 3) uint8, "
                f"found {shape} {self.pixels.dtype}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, *channels = self.pixels.shape[1:]
        return height, width, *(channels or [1])

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) of the name, shape and pixels of every image, sorted by name."""
        digest = hashlib.sha256()
        for i in sorted(range(len(self)), key=self.names.__getitem__):
            digest.update(json.dumps([self.names[i], self.pixels[i].shape]).encode())
            digest.update(self.pixels[i].tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.pixels)

    def prepare(
        self, name: str, resize: int | None, crop: int | None, report: Report
    ) -> "ArrayImages":
        """The images themselves: they are neither resized nor cropped."""
        return self

    def require_files(self) -> None:
        """Nothing: there are no files."""

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        return np.tile(self.pixels.shape[1:3], (len(positions), 1))

    def __getitem__(self, position: int) -> np.ndarray:
        image: np.ndarray = self.pixels[position]
        return image

    def batch(self, positions: np.ndarray) -> np.ndarray:
        images: np.ndarray = self.pixels[positions]
        return images

    def thumbnail(self, position: int) -> np.ndarray:
        return self[position]


@dataclass(frozen=True, eq=False)
class DecodedPhotographs:
    """N photographs (h, w, 3) uint8 of one shorter side, mapped from the parts of a cache.

    Their longer sides differ. The network sees squares of `side` pixels: the centre without
    augmentation. checksum: that of the `Photographs` that were decoded.
    """

    parts: tuple[Part, ...]
    side: int
    checksum: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.side, self.side, 3

    def __len__(self) -> int:
        return sum(part.count for part in self.parts)

    def prepare(
        self, name: str, resize: int | None, crop: int | None, report: Report
    ) -> "DecodedPhotographs":
        """The photographs themselves: they are prepared."""
        return self

    def require_files(self) -> None:
        """Nothing: the photographs' own files are no longer read."""

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        places = (divmod(position, self.parts[0].count) for position in positions.tolist())
        return np.array([self.parts[part].sizes[index] for part, index in places])

    def __getitem__(self, position: int) -> np.ndarray:
        part, index = divmod(position, self.parts[0].count)
        return self.parts[part].photograph(index)

    def batch(self, positions: np.ndarray) -> np.ndarray:
        return np.stack([self._centre(position) for position in positions.tolist()])

    def thumbnail(self, position: int) -> np.ndarray:
        """The centre that the network sees, in at most 128 pixels a side."""
        side = min(THUMBNAIL_SIDE, self.side)
        centre = Image.fromarray(self._centre(position))
        return np.asarray(centre.resize((side, side), Image.Resampling.BILINEAR))

    def _centre(self, position: int) -> np.ndarray:
        """The middle (side, side, 3); a copy, since a view would keep the file mapped."""
        image = self[position]
        top, left = ((size - self.side) // 2 for size in image.shape[:2])
        return np.array(image[top : top + self.side, left : left + self.side])
