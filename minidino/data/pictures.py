"""Picture files, decoded: upright, RGB, squared, as tensors; and many of them held in memory."""

import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from minidino.engine import distributed
from minidino.engine.machine import installed_ram
from minidino.errors import UserError, one_line
from minidino.pixels import sent

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


# ---------------------------------------------------------------- many


@dataclass
class Pictures:
    """Decoded images in memory.

    Attributes:
        images: uint8 (N, 3, S, S).
        labels: int64 (N,), or None.
        classes: what the labels mean.
        masks: bool (N, S, S), true on the foreground, or None.
        skipped: files that could not be read.
    """

    images: Tensor
    labels: Tensor | None = None
    classes: Sequence[str] = ()
    masks: Tensor | None = None
    skipped: list[Path] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "Pictures":
        return replace(self, images=self.images.to(device))

    def take(self, index: Tensor | slice) -> "Pictures":
        """The chosen images, with their labels and masks."""
        labels, masks = (None if t is None else t[index] for t in (self.labels, self.masks))
        return replace(self, images=self.images[index], labels=labels, masks=masks)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """One uint8 batch (B, 3, S, S) for each tensor of indices."""
        for index in indices:
            yield self.images[sent(index, self.images)]

    def close(self) -> None:
        """End what reads pictures: nothing, they are all here."""


def spread(n: int, max_images: int | None) -> list[int]:
    """Positions of at most ``max_images`` items, evenly spread, so every class keeps its share."""
    if max_images is None or max_images >= n:
        return list(range(n))
    return np.linspace(0, n, max_images, endpoint=False).astype(int).tolist()


def check_memory(n: int, size: int, bytes_per_pixel: int = 3) -> None:
    """Raises UserError if so many images cannot be held by this machine."""
    if n * size * size * bytes_per_pixel > installed_ram():
        raise UserError(f"{n:,} images of {size} px do not fit in memory; ask for fewer")


def cores() -> int:
    """How many threads or workers decode for this process."""
    return min(max((os.cpu_count() or 1) // distributed.local_world_size(), 1), 16)


def decode_all(decode, n: int, what: str) -> list:
    """decode(0), ..., decode(n - 1), by threads (PIL works outside Python's lock), with a bar."""
    with ThreadPoolExecutor(cores()) as pool:
        bar = tqdm(
            pool.map(decode, range(n)),
            total=n,
            desc=what,
            unit="img",
            disable=n < 2000 or not distributed.is_main(),
            leave=False,
        )
        return list(bar)
