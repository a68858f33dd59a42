"""The images of a data set as the network sees them, without torch.

Three kinds with the same methods, which `ArrayImages` describes: small images in memory,
photographs that were decoded to files, and images whose features were computed.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.files.pixels import part_path

THUMBNAIL_SIDE = 128  # pixels of a photograph's thumbnail, at most


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """N images of one size in memory.

    pixels: (N, H, W) or (N, H, W, 3) uint8; names: N. Raises ValueError for another shape or type.
    """

    pixels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape, kind = self.pixels.shape, self.pixels.dtype
        if kind != np.uint8 or len(shape) < 3 or shape[3:] not in ((), (3,)):
            raise ValueError(
                f"images in memory must be (N, H, W) or (N, H, W, 3) uint8, found {shape} {kind}"
            )

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

    def __getitem__(self, position: int) -> np.ndarray:
        """One stored image, before any crop: (h, w) or (h, w, 3) uint8."""
        image: np.ndarray = self.pixels[position]
        return image

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        """Heights and widths (B, 2) of the stored images at `positions` (B,)."""
        return np.tile(self.pixels.shape[1:3], (len(positions), 1))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels (1 or 3) of the network's input."""
        height, width, *channels = self.pixels.shape[1:]
        return height, width, *(channels or [1])

    def batch(self, positions: np.ndarray) -> np.ndarray:
        """Images without augmentation: (B, H, W) or (B, H, W, 3) uint8."""
        images: np.ndarray = self.pixels[positions]
        return images

    def thumbnail(self, position: int) -> np.ndarray:
        """What the browser shows of one image: (h, w) or (h, w, 3) uint8."""
        return self[position]


@dataclass(frozen=True, eq=False)
class DecodedPhotographs:
    """N photographs (h, w, 3) uint8 of one shorter side, mapped from the parts of the cache.

    index: (N, 3) int64, see `read_index`. The longer sides differ. The network sees squares of
    `side` pixels: the centre, where there is no augmentation. checksum: that of the `Photographs`
    that were decoded.
    A part is mapped again for each photograph, and only the pages that a crop touches are read:
    thousands of mapped parts would exceed the number of files that a process may open.
    """

    folder: Path
    index: np.ndarray
    side: int
    checksum: str

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> np.ndarray:
        height, width, start = self.index[position].tolist()
        path = part_path(self.folder, position)
        photograph: np.ndarray = np.memmap(path, np.uint8, "r", start, (height, width, 3))
        return photograph

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        sizes: np.ndarray = self.index[positions, :2]
        return sizes

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.side, self.side, 3

    def batch(self, positions: np.ndarray) -> np.ndarray:
        return np.stack([self._centre(position) for position in positions.tolist()])

    def thumbnail(self, position: int) -> np.ndarray:
        side = min(THUMBNAIL_SIDE, self.side)
        centre = Image.fromarray(self._centre(position))
        return np.asarray(centre.resize((side, side), Image.Resampling.BILINEAR))

    def _centre(self, position: int) -> np.ndarray:
        """The middle (side, side, 3); a copy, since a view would keep the file mapped."""
        image = self[position]
        top, left = ((size - self.side) // 2 for size in image.shape[:2])
        return np.array(image[top : top + self.side, left : left + self.side])


@dataclass(frozen=True, eq=False)
class FeatureImages:
    """N images in place of whose pixels the network gets features (N, F) float32, computed once.

    images: the images themselves, which give everything else.
    """

    images: ArrayImages | DecodedPhotographs
    features: np.ndarray

    @property
    def checksum(self) -> str:
        return self.images.checksum

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> np.ndarray:
        return self.images[position]

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        return self.images.sizes(positions)

    def batch(self, positions: np.ndarray) -> np.ndarray:
        """Features (B, F) float32."""
        features: np.ndarray = self.features[positions]
        return features

    def thumbnail(self, position: int) -> np.ndarray:
        return self.images.thumbnail(position)
