"""Image files that Pillow reads but does not write: odd TIFF files, PNG of 16-bit colours."""

import struct
import zlib
from collections.abc import Mapping

import numpy as np

WHITE_IS_ZERO, LARGEST, SIGNED = {262: 0}, 281, {339: 2}  # tags


def grey_tiff(values: np.ndarray, bits: int, tags: Mapping[int, int]) -> bytes:
    """Values (H, W) in 8, 12, 16 or 32 bits, little-endian; tags beside those of a plain file."""
    height, width = values.shape
    pixels = _packed(values) if bits == 12 else values.astype(f"<i{bits // 8}").tobytes()
    plain = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    listed = sorted((plain | {279: len(pixels)} | dict(tags)).items())
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in listed]
    start = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    return start + pixels + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def _packed(values: np.ndarray) -> bytes:
    """12 bits a value; the width must be even."""
    one, other = values.reshape(-1, 2).astype(np.int64).T
    return np.stack([one >> 4, (one & 15) << 4 | other >> 8, other & 255], 1).astype("u1").tobytes()


def colour_png(values: np.ndarray) -> bytes:
    """A PNG of 16-bit colours (H, W, 3)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    content = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + content


def colour_ppm(values: np.ndarray) -> bytes:
    """A PPM of 16-bit colours (H, W, 3)."""
    height, width = values.shape[:2]
    return f"P6 {width} {height} 65535\n".encode() + values.astype(">u2").tobytes()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG with its length and checksum."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
