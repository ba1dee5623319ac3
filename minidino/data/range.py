"""Pictures of more than 8 bits: the values they really use become black to white.

Cameras and microscopes put 10, 12 or 14 bits into 16, and counts or temperatures into any number.
Pillow gives one band as it is stored. Of several it keeps the higher byte of each value alone.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from minidino.config import Reading

BITS, EXTRA_SAMPLES, PLANES = 258, 338, 284  # TIFF tags


def deep_values(picture: Image.Image, path: Path) -> np.ndarray | None:
    """The numbers of a picture with more than 8 bits, (H, W) or (H, W, 3); None of any other.

    Args:
        picture: opened, but not loaded.
        path: where, as several bands are read twice: for their higher bytes, and for the lower.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):
        return np.asarray(picture)
    if not (deep := _two_byte_tiles(picture)):
        return None
    with Image.open(path, formats=(picture.format,)) as again:
        again.tile = deep
        low = np.asarray(again)[..., :3]
    high = np.asarray(picture)[..., :3]
    return high.astype(np.uint16) << 8 | low


def _two_byte_tiles(picture: Image.Image) -> list | None:
    """How to decode the other byte of each value: as if it was stored in the other order."""
    if picture.mode not in ("RGB", "RGBA"):
        return None
    tags = getattr(picture, "tag_v2", {})
    if tags.get(PLANES) == 2 and max(tags.get(BITS, (8,))) > 8:  # read as if it had 8
        raise ValueError("16 bits in separate planes; save it with interleaved bands")
    deep = []
    for tile in getattr(picture, "tile", ()):
        args = (tile[3],) if isinstance(tile[3], str) else tile[3]
        if args and re.match("(LA|RGBa);16", str(args[0])):  # gray; colours that alpha has dimmed
            raise ValueError("with this transparency 8 of 16 bits are read; save it without")
        found = args and re.fullmatch(r"(RGB[AX]?;16)([LBN])", str(args[0]))
        if not found:
            return None
        native = "L" if np.little_endian else "B"
        stored = native if found[2] == "N" else found[2]
        other = (found[1] + ("B" if stored == "L" else "L"), *args[1:])
        deep.append(type(tile)(*tile[:3], other[0] if isinstance(tile[3], str) else other))
    return deep


def fourth_band(picture: Image.Image) -> bool:
    """Is the fourth band of this TIFF something else than transparency (near infrared)?"""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return False
    if picture.mode not in ("RGB", "RGBA") or len(picture.tag_v2.get(BITS, ())) < 4:
        return False
    return picture.tag_v2.get(EXTRA_SAMPLES, (0,))[:1] not in ((1,), (2,))


def value_range(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest number."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def to_bytes(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Numbers -> uint8: the range in 256 equal steps; what lies outside is black or white.

    >>> to_bytes(np.array([0, 15, 16, 4095, 5000]), (0, 4095)).tolist()
    [0, 0, 1, 255, 255]
    """
    low, high = bounds
    whole = values.dtype.kind != "f" and low.is_integer() and high.is_integer()
    steps = (high - low + whole) or 1
    finite = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    part = (finite - low) * (256 / steps)
    return part.clip(0, 255).astype(np.uint8)


def range_of(ranges: Sequence[tuple[float, float]], reading: Reading) -> Reading:
    """``reading`` with the range that holds all of these; as it was if they hold one number."""
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return replace(reading, range=f"{low!r},{high!r}") if low < high else reading
