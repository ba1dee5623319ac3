"""Segmentation: a mask of a picture from attention, or from its patches.

``attention``: the smallest set of patches holding 60% of the mass of the heads' mean map, for
each picture alone (DINO, section 4.2.2).

``pca``: the last block's patch features of all given pictures together, projected on the
direction in which they vary most. Across pictures of *one subject* that direction tells thing
from stuff (DINOv2, 2304.07193, figure 1); across several subjects it tells those apart instead.
The threshold is the mean of all patches. Which side is the thing a PCA does not know: it is the
one to which [CLS] attends more.

``cut``: each picture alone, see ``cut.py``. ``examples``: learned from a few masks, see ``few.py``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from minidino.attention import attention_maps, jaccard, mass_mask, upsample_mask
from minidino.config import USUAL, Reading
from minidino.data.listing import OWN_MASK, list_pictures
from minidino.data.pictures import UnreadablePicture, open_picture, to_tensor
from minidino.errors import UserError, check_ours, written_by
from minidino.pixels import normalize
from minidino.using.cut import cut, largest_piece
from minidino.using.examples import check_room, distinct, fit_to_patches, fitted, left_out
from minidino.using.few import FromExamples
from minidino.using.masks import load_mask
from minidino.using.patches import PatchPCA, Seen, patch_features, patch_keys
from minidino.vit import VisionTransformer

MADE_BY = "minidino segment"


@torch.no_grad()
def look(
    model: VisionTransformer,
    files: Sequence[Path],
    short_side: int,
    features: Callable[[VisionTransformer, Tensor], Tensor] | None = patch_features,
    reading: Reading = USUAL,
) -> Iterator[Seen]:
    """Attention and, if wanted, patch features of one picture after the other.

    Files that are no pictures are skipped, and named.

    Args:
        short_side: about what the pictures' shorter side is brought to, in pixels.
        features: which; None for none.

    Raises:
        UserError: if none can be read.
    """
    device = next(model.parameters()).device
    skipped = []
    for file in files:
        try:
            picture = open_picture(file, reading)
            check_room(model, fitted(picture.size, short_side, model.patch_size), file)
        except (UnreadablePicture, UserError) as error:
            skipped.append(error)
            print(left_out(error))
            continue
        image = to_tensor(fit_to_patches(picture, short_side, model.patch_size))
        x = normalize(image[None].to(device))
        attention = attention_maps(model, x)[0].mean(dim=0).float().cpu()
        patches = None if features is None else features(model, x)[0].float().cpu()
        yield Seen(file, (picture.height, picture.width), attention, patches)
    if len(skipped) == len(files):
        raise UserError(f"none of the {len(files)} pictures could be read, as {skipped[0]}")


class Split(PatchPCA):
    """The first principal component of all patches, cut at their mean."""

    def __init__(self, seen: Iterable[Seen]):
        super().__init__(seen, count=1)

    def mask(self, features: Tensor) -> Tensor:
        """(h, w, D) -> bool (h, w), true on the thing's side of the mean."""
        return self.project(features)[..., 0] > 0


Masks = Mapping[Path, Path]  # of pictures


def masks_of(
    model: VisionTransformer,
    files: Sequence[Path],
    by: Literal["attention", "pca", "cut", "examples"],
    short_side: int,
    reading: Reading = USUAL,
    examples: Masks | None = None,
) -> Iterator[tuple[Seen, Tensor]]:
    """Each picture with its mask, bool (h, w), in patches; few are in memory at a time.

    Args:
        examples: masks to learn from; their pictures are left out.

    Raises:
        UserError: if no picture can be read, or nothing can be learned from the examples.
    """
    look_at = partial(look, model, short_side=short_side, reading=reading)
    rest = files
    if by == "pca":
        split = Split(look_at(files))  # so each picture is looked at twice
        rest = split.files
    if by == "examples":
        learned = _learn(look_at(list(examples)), examples)
        rest = [file for file in files if file not in examples]
    ways = {
        "attention": (None, lambda seen: mass_mask(seen.attention)),
        "pca": (patch_features, lambda seen: split.mask(seen.features)),
        "cut": (patch_keys, lambda seen: cut(seen.features)),
        "examples": (patch_features, lambda seen: learned.mask(seen.features)),
    }
    features, mask = ways[by]
    for seen in look_at(rest, features=features):
        yield seen, mask(seen)


def _learn(pictures: Iterable[Seen], masks: Masks) -> FromExamples:
    try:
        return FromExamples.fit(
            (seen.features, *load_mask(masks[seen.file], seen.size)[:2]) for seen in pictures
        )
    except ValueError as error:
        raise UserError(f"nothing can be learned from these {len(masks)} masks: {error}") from None


def boxed(mask: Tensor) -> Tensor:
    """The box around a mask, bool (H, W), filled."""

    def between(line: Tensor) -> Tensor:
        return (line.cumsum(0) > 0) & (line.flip(0).cumsum(0).flip(0) > 0)

    return between(mask.any(dim=1))[:, None] & between(mask.any(dim=0))


def score(mask: Tensor, truth: Tensor, valid: Tensor | None = None) -> Tensor:
    """(2,): the Jaccard index, and 1 if the thing is located, as CorLoc counts it.

    It is where the box around the largest piece of the mask and the box around the true mask have
    a Jaccard index of 0.5 or more.

    Args:
        mask: bool (h, w), in patches; truth: bool (H, W); valid: where it counts.
    """
    pieces = torch.stack([mask, largest_piece(mask)])
    mask, piece = upsample_mask(pieces, tuple(truth.shape))
    located = jaccard(boxed(piece), boxed(truth)) >= 0.5
    return torch.stack([jaccard(mask, truth, valid), located.float()])


def pictures_of(data: Path) -> list[Path]:
    """A picture, or every picture below a folder; masks written here before are none.

    Raises:
        UserError: if there is none.
    """
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise UserError(f"no picture or folder at {data}")
    files = list_pictures(data)
    if not files:
        raise UserError(f"no pictures in {data}")
    return files


def mask_paths(files: Sequence[Path], data: Path, out: Path | None) -> list[Path]:
    """Where each picture's mask goes: ``photo.mask.png`` beside it, or in the same place below
    ``out``. Of pictures that differ in their suffix alone, the name keeps it.

    Raises:
        UserError: if a file is in the way that was not written here.
    """
    root = data if data.is_dir() else data.parent
    stems = distinct([str(file.relative_to(root)) for file in files]).values()
    paths = [(root if out is None else out) / (stem + OWN_MASK) for stem in stems]
    ours = partial(written_by, MADE_BY)
    for path in paths:
        check_ours(path, ours, "was not written by minidino; change --out")
    return paths


def save_mask(mask: Tensor, size: tuple[int, int], path: Path) -> None:
    """Write a mask (h, w) as a PNG of ``size`` (height, width) pixels, white on the thing."""
    pixels = upsample_mask(mask[None], size)[0].to(torch.uint8) * 255
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", MADE_BY)  # so that it may be replaced, and nothing else
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.numpy()).save(path, pnginfo=note)
