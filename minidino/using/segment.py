"""Segmentation without labels: a mask of a picture from attention, or from its patch features.

``attention``: the smallest set of patches holding 60% of the mass of the heads' mean map, for
each picture alone (DINO, section 4.2.2).

``pca``: the last block's patch features of all given pictures together, projected on the
direction in which they vary most. Across pictures of *one subject* that direction tells thing
from stuff (DINOv2, 2304.07193, figure 1); across several subjects it tells those apart instead.
The threshold is the mean of all patches. Which side is the thing a PCA does not know: it is the
one to which [CLS] attends more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from minidino.attention import attention_maps, upsample_mask
from minidino.config import USUAL, Reading
from minidino.data.folders import told
from minidino.data.listing import OWN_MASK, list_pictures
from minidino.data.pictures import UnreadablePicture, open_picture, opened, to_tensor
from minidino.errors import UserError
from minidino.pixels import normalize
from minidino.using.attend import check_room
from minidino.using.examples import distinct, fit_to_patches
from minidino.using.patches import PatchPCA, Seen, patch_features
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
    unreadable, reading = 0, told(files, reading)
    for file in files:
        try:
            picture = open_picture(file, reading)
        except UnreadablePicture as error:
            unreadable += 1
            print(f"skipped unreadable picture {error}")
            continue
        image = to_tensor(fit_to_patches(picture, short_side, model.patch_size))
        check_room(model, image, file)
        x = normalize(image[None].to(device))
        attention = attention_maps(model, x)[0].mean(dim=0).float().cpu()
        patches = None if features is None else features(model, x)[0].float().cpu()
        yield Seen(file, (picture.height, picture.width), attention, patches)
    if unreadable == len(files):
        raise UserError(f"none of the {len(files)} pictures could be read")


class Split(PatchPCA):
    """The first principal component of all patches, cut at their mean."""

    def __init__(self, seen: Iterable[Seen]):
        super().__init__(seen, count=1)

    def mask(self, features: Tensor) -> Tensor:
        """(h, w, D) -> bool (h, w), true on the thing's side of the mean."""
        return self.project(features)[..., 0] > 0


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
    for path in paths:
        if path.exists() and not _is_ours(path):
            raise UserError(f"{path} is there and was not written by minidino; change --out")
    return paths


def _is_ours(path: Path) -> bool:
    try:
        with opened(path) as picture:
            return picture.info.get("Software") == MADE_BY
    except Exception:  # whatever it is
        return False


def save_mask(mask: Tensor, size: tuple[int, int], path: Path) -> None:
    """Write a mask (h, w) as a PNG of ``size`` (height, width) pixels, white on the thing."""
    pixels = upsample_mask(mask[None], size)[0].to(torch.uint8) * 255
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", MADE_BY)  # so that it may be replaced, and nothing else
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.numpy()).save(path, pnginfo=note)
