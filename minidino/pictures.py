"""One picture file: decoded, upright, RGB, squared, as a tensor."""

import stat
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from minidino.errors import one_line

# A file of a few bytes can declare any size. 20,000 x 50 is a picture, 20,000 x 20,000 is not.
MAX_PIXELS = 100_000_000
# Pillow's own warning comes a little earlier, and would be a second voice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnreadablePicture(Exception):
    """A file that is not a whole picture."""


def open_picture(path: Path) -> Image.Image:
    """A decoded RGB picture, turned upright by its EXIF tag.

    What is transparent becomes white, 16 bits become the higher 8, and of an animation the
    first frame is taken. The content of the file decides what it is, not its suffix.

    Raises:
        UnreadablePicture: if it is damaged, no picture, or of more than ``MAX_PIXELS``.
    """
    try:
        # A pipe would be waited for.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise ValueError("not a file")
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"{width} x {height} pixels are more than {MAX_PIXELS:,}")
            return _rgb(ImageOps.exif_transpose(picture))
    except Exception as error:  # whatever Pillow's decoders make of bytes that are not theirs
        why = getattr(error, "strerror", None) or error
        raise UnreadablePicture(one_line(f"{path}: {why}")) from None


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):  # Pillow would make white of all above 255
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("pixels of more than 16 bits; save it with 8 or 16")
        return Image.fromarray((values // 256).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def to_tensor(picture: Image.Image) -> Tensor:
    """RGB picture -> uint8 (3, H, W)."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def square(picture: Image.Image, size: int) -> Image.Image:
    """The central square, its side brought to ``size`` by antialiased bicubic resizing."""
    if picture.size == (size, size):
        return picture
    return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def decode_square(path: Path, size: int) -> Tensor:
    """A file -> uint8 (3, size, size).

    Raises:
        UnreadablePicture: as ``open_picture``.
    """
    return to_tensor(square(open_picture(path), size))
