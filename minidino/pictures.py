"""One picture file: decoded, upright, RGB, squared, as a tensor."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


class UnreadablePicture(Exception):
    """A file that is not a whole picture."""


def open_picture(path: Path) -> Image.Image:
    """A decoded RGB picture, turned upright by its EXIF tag.

    Raises:
        UnreadablePicture: if it is damaged, no picture, or so large that it may be an attack.
    """
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadablePicture(f"{path}: {error}") from None


def to_tensor(picture: Image.Image) -> Tensor:
    """RGB picture -> uint8 (3, H, W)."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def square(picture: Image.Image, size: int) -> Image.Image:
    """The central square, its side brought to ``size`` by antialiased bicubic resizing."""
    if picture.size == (size, size):
        return picture
    return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def decode_square(path: Path, size: int) -> Tensor:
    """A file -> uint8 (3, size, size)."""
    return to_tensor(square(open_picture(path), size))
