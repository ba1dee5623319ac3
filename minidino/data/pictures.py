"""Picture files, decoded: upright, RGB, squared, as tensors; and many of them held in memory."""

import importlib
import io
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from minidino.config import USUAL, Reading
from minidino.data.range import deep_values, fourth_band, to_bytes, value_range
from minidino.engine import distributed
from minidino.engine.machine import installed_ram
from minidino.errors import UserError, one_line
from minidino.pixels import sent

# A file of a few bytes can declare any size. 20,000 x 50 is a picture, 20,000 x 20,000 is not.
MAX_PIXELS = 100_000_000
ORIENTATION = 0x0112  # EXIF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n"
LFS = b"version https://git-lfs"
# What Pillow warns of is told when it matters, and would be a second voice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")  # which reads EXIF

Image.preinit()  # the usual formats are tried first
Image.init()
with suppress(ImportError):
    importlib.import_module("pillow_heif").register_heif_opener()
# EPS runs another program; the others have no decoder of their own.
FORMATS = [f for f in Image.ID if f not in {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}]


class UnreadablePicture(Exception):
    """A file that is not a whole picture."""


class CutShort(UnreadablePicture):
    """A JPEG whose end is missing; ``keep_truncated`` would read it."""


def open_picture(path: Path, reading: Reading = USUAL) -> Image.Image:
    """A decoded RGB picture, turned upright by its EXIF tag.

    What is transparent becomes white, and of an animation the first frame is taken. More than 8
    bits are scaled from ``reading.range``, or from the picture's own. The content of the file
    decides what it is, not its suffix. Where EXIF cannot be read, nothing is turned.

    Raises:
        UnreadablePicture: if it is damaged, no picture, or of more than ``MAX_PIXELS``.
    """
    try:
        with opened(path) as picture:
            kind = picture.format
            try:
                return _rgb(picture, path, reading.bounds)
            except OSError as error:
                if "truncated" not in str(error) or kind not in ("JPEG", "MPO"):
                    raise
                if not reading.keep_truncated:
                    raise CutShort(one_line(f"{path}: {error}")) from None
        # With a mark of its end what is missing becomes gray. (Pillow's own switch for this is one
        # for all threads.)
        whole = io.BytesIO(Path(path).read_bytes() + b"\xff\xd9")
        with Image.open(whole, formats=("JPEG",)) as picture:
            picture = _rgb(picture, path, None)
        picture.info["cut short"] = True
        return picture
    except UnreadablePicture:
        raise
    except Exception as error:  # whatever Pillow's decoders make of bytes that are not theirs
        why = getattr(error, "strerror", None) or error
        raise UnreadablePicture(one_line(f"{path}: {why}")) from None


def opened(path: Path) -> Image.Image:
    """A picture's file, its pixels not yet decoded. Raises ValueError for what is too large."""
    # A pipe would be waited for.
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise ValueError("not a file")
    try:
        picture = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        with open(path, "rb") as file:
            if file.read(len(LFS)) == LFS:
                raise ValueError(
                    "not the picture, but where Git LFS has it: git lfs pull"
                ) from None
        raise
    except ValueError:
        data = Path(path).read_bytes()
        if not data.startswith(PNG):
            raise
        picture = Image.open(io.BytesIO(_bare(data)), formats=("PNG",))
    picture.filename = ""  # else Pillow maps a TIFF of raw bytes as if it had not been turned
    width, height = picture.size
    if width * height > MAX_PIXELS:
        picture.close()
        raise ValueError(f"{width} x {height} pixels are more than {MAX_PIXELS:,}")
    return picture


def _bare(data: bytes) -> bytes:
    """A PNG without the texts and the profile in it, of which Pillow unpacks only so much."""
    kept, at = [PNG], len(PNG)
    while at < len(data):  # length, name, content, sum
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] not in (b"iCCP", b"tEXt", b"zTXt", b"iTXt"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def upright(picture: Image.Image, told_by: Image.Image | None = None) -> Image.Image:
    """Turned as EXIF says, its own or another's; where that cannot be read, as it is."""
    picture.load()  # a TIFF is turned by that, and no longer says so
    try:
        orientation = (told_by or picture).getexif().get(ORIENTATION, 1)
    except Exception:  # whatever Pillow's parsers make of bytes that are not theirs
        return picture
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def _rgb(picture: Image.Image, path: Path, bounds: tuple[float, float] | None) -> Image.Image:
    no_alpha = fourth_band(picture)
    if (values := deep_values(picture, path)) is not None:
        eight = Image.fromarray(to_bytes(values, bounds or value_range(values))).convert("RGB")
        if picture.mode == "RGBA":
            eight.putalpha(picture.getchannel("A"))
        elif (clear := picture.info.get("transparency")) is not None:  # a number, or three
            seen = (values != clear).reshape(*values.shape[:2], -1).any(axis=2)
            eight.putalpha(Image.fromarray(seen.astype(np.uint8) * 255))
        picture = upright(eight, told_by=picture)
    else:
        picture = upright(picture)
    if no_alpha or not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def to_tensor(picture: Image.Image) -> Tensor:
    """RGB picture -> uint8 (3, H, W)."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def square(picture: Image.Image, size: int, fit: str = "square") -> Image.Image:
    """A square of side ``size`` by antialiased bicubic resizing; ``fit`` as in ``Reading``."""
    if picture.size == (size, size):
        return picture
    if fit == "square":
        return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)
    if fit == "keep":
        return picture.resize((size, size), Image.Resampling.BICUBIC)
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    mean = tuple(round(m) for m in ImageStat.Stat(picture).mean)
    padded = Image.new("RGB", (size, size), mean)
    inner = picture.resize((width, height), Image.Resampling.BICUBIC)
    padded.paste(inner, ((size - width) // 2, (size - height) // 2))
    return padded


def decode_square(path: Path, size: int, reading: Reading = USUAL) -> Tensor:
    """A file -> uint8 (3, size, size).

    Raises:
        UnreadablePicture: as ``open_picture``.
    """
    return to_tensor(square(open_picture(path, reading), size, reading.fit))


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
        files: where each image was read, or none.
        how: they were read, from a folder: with the range that became black to white.
        names_digest: of all pictures to train on in that folder, see ``Layout.digest``.
    """

    images: Tensor
    labels: Tensor | None = None
    classes: Sequence[str] = ()
    masks: Tensor | None = None
    skipped: list[Path] = field(default_factory=list)
    files: Sequence[Path] = ()
    how: Reading = USUAL
    names_digest: str | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "Pictures":
        return replace(self, images=self.images.to(device))

    def take(self, index: Tensor | slice) -> "Pictures":
        """The chosen images, with their labels and masks."""
        labels, masks = (None if t is None else t[index] for t in (self.labels, self.masks))
        files = [self.files[i] for i in torch.arange(len(self))[index]] if self.files else ()
        images = self.images[index]
        return replace(self, images=images, labels=labels, masks=masks, files=files)

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
