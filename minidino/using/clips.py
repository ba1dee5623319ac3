"""Clips: a folder of frames each, the mask of the first frame, and the others where they are known.

Masks are labels: 0 is no thing. They are read from and written as PNG with a palette, as DAVIS has
them, or read as small numbers; of other masks what is the thing gets the label 1 (``masks.py``).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from minidino.config import USUAL, Reading
from minidino.data.folders import told
from minidino.data.listing import list_pictures
from minidino.data.moving import moving_things
from minidino.data.pictures import (
    UnreadablePicture,
    decode_all,
    open_picture,
    opened,
    to_tensor,
    upright,
)
from minidino.errors import UserError, one_line
from minidino.using.examples import fit_to_patches
from minidino.using.masks import BRIGHT, load_mask, without_masks

MADE_BY = "minidino propagate"
DRAWN_CLIPS = 4
TABLE = (np.array(matplotlib.colormaps["tab10"].colors) * 255).round().astype(np.uint8)
PALETTE = np.concatenate([np.zeros((1, 3), np.uint8), np.resize(TABLE, (255, 3))])
FEW = 16  # values: a mask of more has soft edges, or noise
NOISE = 32  # of 255, that JPEG may leave on one colour


@dataclass
class Clip:
    """Frames of one size, in order, and what is known of them."""

    name: str
    names: Sequence[str]  # of the frames, without suffix
    frames: Sequence[Path] | Tensor  # files, or uint8 (T, 3, H, W)
    first: Tensor  # labels uint8 (H, W)
    truth: dict[int, Path | Tensor]  # masks of frames by number, the first among them
    palette: np.ndarray = field(default_factory=lambda: PALETTE)  # uint8 (256, 3)
    reading: Reading = USUAL

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.first.shape)

    def pictures(self, short_side: int, patch: int) -> Iterator[Tensor]:
        """uint8 (3, h, w) of one frame after the other, at a size that patches divide."""
        for frame in self.frames:
            if isinstance(frame, Tensor):
                yield frame
            else:
                yield to_tensor(fit_to_patches(_open(frame, self.reading), short_side, patch))

    def mask(self, frame: int) -> Tensor:
        """The true labels of a frame, uint8 (H, W)."""
        known = self.truth[frame]
        return known if isinstance(known, Tensor) else read_labels(known, self.size)[0]


def _open(file: Path, reading: Reading) -> Image.Image:
    try:
        return open_picture(file, reading)
    except UnreadablePicture as error:
        raise UserError(f"cannot read the frame {error}") from None


def drawn_clips(size: int) -> list[Clip]:
    """Clips of moving things, ``size`` px."""
    clips = []
    for seed in range(DRAWN_CLIPS):
        frames, masks = moving_things(size=size, seed=seed)
        names = [f"{i:05d}" for i in range(len(frames))]
        clips.append(Clip(f"things{seed}", names, frames, masks[0], dict(enumerate(masks))))
    return clips


def find_clips(folder: Path, masks: Path, reading: Reading) -> list[Clip]:
    """A clip for each folder that holds pictures, at any depth; frames go by the numbers in names.

    Args:
        masks: the first frame's mask, if there is one clip; or a folder with a PNG, of the frame's
            name, for the first frame of each clip, and for others to be scored. None is a frame.

    Raises:
        UserError: if there are no frames, frames differ in size or share a name, or a mask is
            missing, of another size, or of things that cannot be told apart.
    """
    if not folder.is_dir():
        raise UserError(f"no folder of frames at {folder}")
    by_folder = defaultdict(list)
    for file in without_masks(list_pictures(folder), masks):
        by_folder[file.parent].append(file)
    if not by_folder:
        raise UserError(f"no pictures in {folder}")
    if masks.is_file() and len(by_folder) > 1:
        raise UserError(
            f"{folder} has {len(by_folder)} clips, and {masks} is one mask; give a folder of masks"
        )
    clips = [_clip(folder, files, masks, reading) for _, files in sorted(by_folder.items())]
    if len(clips) == 1:  # its masks lie in no folder of its own, so it is called what is usual
        clips[0].name = next(iter(by_folder)).resolve().name
    return clips


def _clip(folder: Path, files: list[Path], masks: Path, reading: Reading) -> Clip:
    files = sorted(files, key=_by_number)
    _check_names(files)
    size = _size_of_all(files, reading)
    if masks.is_file():
        found = {0: masks}
    else:
        paths = [masks / file.relative_to(folder).with_suffix(".png") for file in files]
        found = {i: path for i, path in enumerate(paths) if path.is_file()}
        if 0 not in found:
            raise UserError(f"no mask of the first frame {one_line(files[0])}: no {paths[0]}")
    first, palette = read_labels(found[0], size)
    if not first.any():
        raise UserError(f"{found[0]} has no thing in it, so there is nothing to follow")
    name = str(files[0].parent.relative_to(folder))
    names = [file.stem for file in files]
    return Clip(name, names, files, first, found, palette, told(files, reading))


def _by_number(file: Path) -> list:
    """frame2 before frame10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]


def _check_names(files: list[Path]) -> None:
    """Raises UserError if the masks of two frames would have one name."""
    seen: dict[str, Path] = {}
    for file in files:
        if (other := seen.setdefault(file.stem, file)) is not file:
            raise UserError(
                f"two frames of one name, {one_line(other)} and {one_line(file.name)}: their masks "
                "would be one file; keep one of them, or rename it"
            )


def _size_of_all(files: list[Path], reading: Reading) -> tuple[int, int]:
    """Height and width of the frames. Raises UserError if they differ, or one cannot be read.

    All are decoded: that tells which way up they are, and no damaged one ends the work half-way.
    """
    sizes = decode_all(lambda i: _open(files[i], reading).size, len(files), "looking at frames")
    width, height = sizes[0]
    for file, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"frames of several sizes: {one_line(files[0].name)} has {width} x {height} px, "
                f"{one_line(file.name)} {size[0]} x {size[1]}"
            )
    return height, width


def read_labels(file: Path, size: tuple[int, int]) -> tuple[Tensor, np.ndarray]:
    """Labels uint8 (H, W) of a mask, and its palette.

    Raises:
        UserError: if it cannot be read, is not of ``size`` (height, width), or has several colours
            or grays that are no labels: they would become one thing, or be lost.
    """
    thing, known, how = load_mask(file, size)
    if tuple(thing.shape) != size:
        raise UserError(
            f"the mask {one_line(file)} has {thing.shape[1]} x {thing.shape[0]} pixels, its "
            f"frame {size[1]} x {size[0]}"
        )
    with opened(file) as raw:
        raw = upright(raw)
    if raw.mode == "P":
        return _of_palette(raw, thing, how)
    single = raw.mode in ("L", "F") or raw.mode.startswith("I")
    pixels = np.asarray(raw)[..., None] if single else np.asarray(raw.convert("RGB"))
    labels = thing.byte()
    if how.startswith("labels") and pixels.max() < 256 and raw.mode != "F":
        values = pixels.max(axis=2).astype(np.uint8)  # as ``load_mask`` has them
        labels *= torch.from_numpy(values)  # void is no thing
        several = not single and _colours(raw, "RGB") != len(np.unique(values))
    elif how.startswith("numbers"):
        several = len(np.unique(pixels[thing.numpy()])) > 1
    elif how.startswith("transparency"):
        several = 1 < _colours(raw, "RGBA") <= FEW  # of more it is a photograph, cut out
    else:  # what seems to be void in 16 bits may be another thing
        several = _uneven(pixels, thing, known if how.startswith(("trimaps", "colours")) else None)
    if several:
        raise UserError(
            f"the mask {one_line(file)} has several colours or grays, and they would become one "
            "thing; save it with a palette, or as the numbers 0, 1, 2, ..."
        )
    return labels, PALETTE


def _of_palette(raw: Image.Image, thing: Tensor, how: str) -> tuple[Tensor, np.ndarray]:
    """The indices, whatever their colours, and these; but a white mask may have a palette, too."""
    indices, palette = np.array(raw), PALETTE.copy()
    colours = np.reshape(raw.getpalette(), (-1, 3))
    palette[: len(colours)] = colours
    if how.startswith("indices of a palette"):
        return torch.from_numpy(indices) * thing.byte(), palette  # void is no thing
    used = np.unique(indices)
    white = how.startswith("trimaps") or set(used.tolist()) <= {0, 255}
    if how == BRIGHT:
        inverted = len(np.unique(colours, axis=0)) == 2 and colours[0, 0] == colours.max()
        soft = len(used) > 5 and not _uneven(palette[indices, :1], thing)
        white |= inverted or soft
    if white:
        return thing.byte(), PALETTE
    return torch.from_numpy(np.where(indices == 255, 0, indices)), palette


def _colours(raw: Image.Image, mode: str) -> int:
    """How many colours what is opaque has; 0 for more than a thousand."""
    found = [colour for _, colour in raw.convert(mode).getcolors(1000) or ()]
    opaque = max((colour[3:] for colour in found), default=())
    return sum(colour[3:] == opaque for colour in found)


def _uneven(pixels: np.ndarray, thing: Tensor, known: Tensor | None = None) -> bool:
    """Has the thing, or what is around it, several colours, so that some would be lost?

    Soft edges have many, so only what fills a square of 3 x 3 pixels counts; and in a mask of many
    shades, as JPEG leaves them, only what is further apart than ``NOISE``.

    Args:
        pixels: (H, W, C); thing: bool (H, W); known: bool (H, W), where that counts (None: all).
    """
    around, (h, w, _) = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), "edge"), pixels.shape
    like = [around[y : y + h, x : x + w] == pixels for y in range(3) for x in range(3)]
    flat = torch.from_numpy(np.all(like, axis=(0, 3)))
    flat = flat if known is None else flat & known
    noisy = pixels.dtype == np.uint8 and len(np.unique(pixels.max(axis=2))) > FEW
    areas = (pixels[(flat & area).numpy()] for area in (thing, ~thing))
    return any(len(a) and np.ptp(a, axis=0).max() > NOISE * noisy for a in areas)


def save_labels(labels: Tensor, palette: np.ndarray, path: Path) -> None:
    """Labels uint8 (H, W) as a PNG with a palette."""
    picture = Image.fromarray(labels.numpy(), mode="P")
    picture.putpalette(palette.tobytes())
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", MADE_BY)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, pnginfo=note)
