"""True masks as people have them: which file belongs to which picture, and what is in it.

Masks are read by value, not by brightness: the labels 1 and 2 of a palette look black. Their
values cannot tell everything, so each mask says how it was read.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from minidino.data.listing import SUFFIXES, same_file
from minidino.data.listing import few as few_of
from minidino.data.pictures import UnreadablePicture, open_picture, opened, upright
from minidino.errors import UserError, one_line

ENDING = re.compile(r"[._-](masks?|seg|segmentation|gt|labels?)$")
VOID_COLOUR = (224, 224, 192)  # what VOC's palette has at 255
BRIGHT = "brightness, over 127 is the thing"


def find_masks(folder: Path, pictures: Mapping[str, Path], few: bool = False) -> dict[str, Path]:
    """The mask of each picture (by its relative name) that has one; what is guessed is said.

    It has the picture's relative name and ends in .png or as the picture does. Otherwise it is
    the one file of that name in another case, of another kind, or with an ending (``_mask``).

    Args:
        few: most pictures may have none.

    Raises:
        UserError: if most pictures have none; of a few, if all have none.
    """
    folder = Path(os.path.expanduser(folder))
    plain, ended = defaultdict(list), defaultdict(list)
    for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES):
        key = file.relative_to(folder).with_suffix("").as_posix().casefold()
        (ended if ENDING.search(key) else plain)[ENDING.sub("", key)].append(file)
        if ENDING.search(key):  # it may be a picture's own name
            plain[key].append(file)
    found, guessed, missing = {}, [], []
    for name, picture in pictures.items():
        exact = [(folder / name).with_suffix(s) for s in (".png", Path(name).suffix)]
        there = [file for file in exact if file.is_file()][:1]
        if not there:
            key = Path(name).with_suffix("").as_posix().casefold()
            there = plain[key] or ended[key]
            guessed += [f"{name} -> {there[0].name}"] if len(there) == 1 else []
        if len(there) != 1:
            missing.append(f"{name} ({len(there)} fit)" if there else name)
        elif same_file(there[0], picture):
            raise UserError(f"the mask of {name} is the picture itself; change --masks")
        else:
            found[name] = there[0]
    if not found if few else 2 * len(missing) > len(pictures):
        first = missing[0]
        raise UserError(
            f"no mask for {one_line(first)} in {folder}; looked for "
            f"{one_line((folder / first).with_suffix('.png'))} and the like "
            f"({len(missing)} of {len(pictures)} pictures have none)"
        )
    if guessed:
        tqdm.write(f"masks found by similar names: {few_of(guessed)}")
    if missing and not few:
        tqdm.write(f"no mask, so not scored: {few_of(missing)}")
    return found


def without_masks(files: list[Path], masks: Path | str) -> list[Path]:
    """The pictures, but for the mask, or those of the folder of masks, that lies among them."""
    top = Path(os.path.realpath(os.path.expanduser(masks)))
    real = [Path(os.path.realpath(file)) for file in files]
    rest = [f for f, at in zip(files, real, strict=True) if top != at and top not in at.parents]
    if not rest or len(rest) == len(files):  # nothing, or the masks lie between the pictures
        return files
    tqdm.write(f"left out, as masks: {len(files) - len(rest)} at {one_line(masks)}")
    return rest


def load_mask(file: Path, size: tuple[int, int]) -> tuple[Tensor, Tensor | None, str]:
    """A mask (H, W) of a picture of ``size`` (height, width), at the mask's own resolution.

    Returns:
        bool, true on the thing; bool, false where nothing is known (None: all is); and how
        the file was read.

    Raises:
        UserError: if it cannot be read, or is of another shape than the picture.
    """
    try:
        picture = open_picture(file)  # whatever can be wrong with a file is said here
    except UnreadablePicture as error:
        raise UserError(f"cannot read the mask {error}") from None
    expected = picture.width * size[0] / size[1]
    if abs(picture.height - expected) > max(1, 0.01 * expected):
        raise UserError(
            f"the mask {one_line(file)} has {picture.width} x {picture.height} pixels, its "
            f"picture {size[1]} x {size[0]}: another shape"
        )
    with opened(file) as raw:
        lossy, raw = raw.format in ("JPEG", "MPO"), upright(raw)
    thing, void, how = _read(raw, picture, lossy)
    valid = None if void is None or not void.any() else torch.from_numpy(~void)
    return torch.from_numpy(thing), valid, how


def _read(raw: Image.Image, picture: Image.Image, lossy: bool) -> tuple:
    """What is the thing, what is void (or None), and how that was read."""
    if raw.mode == "P":
        indices, palette = np.asarray(raw), np.zeros((256, 3), np.uint8)
        colours = np.reshape(raw.getpalette(), (-1, 3))
        palette[: len(colours)] = colours
        used = palette[np.unique(indices)]
        if (used == used[:, :1]).all():  # shades of gray
            return _by_value(palette[indices, 0], lossy)
        return _labels(indices, "indices of a palette")
    if raw.mode.startswith("I"):
        values = np.asarray(raw)
        if _numbered(values):
            return values > 0, None, "numbers of objects, 0 is background"
        values = values if values.max() < 256 else values // 256
        return _by_value(values.astype(np.uint8), lossy)
    if raw.has_transparency_data:
        alpha = np.asarray(raw.convert("RGBA"))[..., 3]
        if alpha.min() < alpha.max():
            return alpha > 127, None, "transparency, what is opaque is the thing"
    rgb = np.asarray(picture)
    strongest = rgb.max(axis=-1)
    if not lossy and (strongest - rgb.min(axis=-1)).max() > 32:
        thing, void = strongest > 16, (rgb == VOID_COLOUR).all(axis=-1)
        void &= (thing & ~void).any()  # as 255 among labels
        how = "colours, black is background" + (", VOC's border void" if void.any() else "")
        return thing & ~void, void, how
    # Labels may lie in one channel: of the red (1, 0, 0) nothing is left in gray.
    return _by_value(np.asarray(picture.convert("L")) if lossy else strongest, lossy)


def _numbered(values: np.ndarray) -> bool:
    """Are these more objects than 8 bits can number? Brightness in 16 bits reaches up to white,
    and labels of 1000 for each class (Cityscapes) leave out what lies between 255 and 1000.
    """
    most = values.max()
    return most > 65535 or (most < 65280 and bool(((values > 255) & (values < 1000)).any()))


def _by_value(values: np.ndarray, lossy: bool) -> tuple:
    """Labels are small numbers, with or without a void 255; a bright mask goes up to 255."""
    labels = set(np.unique(values).tolist()) - {0, 255}
    most = 32 if values.max() == 255 else 127
    if lossy or not labels or max(labels) > most:
        return values > 127, None, BRIGHT
    if labels == {1, 2, 3} and values.min() == 1 and values.max() == 3:
        return values == 1, values == 3, "trimaps, 1 is the thing, 2 background, 3 void"
    return _labels(values, "labels")


def _labels(values: np.ndarray, name: str) -> tuple:
    """Alone, 255 is the thing; among other labels it is what nobody decided."""
    void = values == 255
    void &= ((values > 0) & ~void).any()
    how = f"{name}, 0 is background" + (", 255 void" if void.any() else "")
    return (values > 0) & ~void, void, how


def told(ways: Counter) -> str:
    """How the masks were read, the usual way first."""
    if len(ways) == 1:
        return f"masks: {next(iter(ways))}"
    return "masks: " + "; ".join(f"{n} by {way}" for way, n in ways.most_common())
