"""Segmentation without labels: a mask of a picture from attention, or from its patch features.

``attention``: the smallest set of patches holding 60% of the mass of the heads' mean map, for
each picture alone (DINO, section 4.2.2).

``pca``: the last block's patch features of all given pictures together, projected on the
direction in which they vary most. Across pictures of *one subject* that direction tells thing
from stuff (DINOv2, 2304.07193, figure 1); across several subjects it tells those apart instead.
The threshold is the mean of all patches. Which side is the thing a PCA does not know: it is the
one to which [CLS] attends more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange
from PIL import Image, PngImagePlugin
from torch import Tensor

from minidino.attention import attention_maps, mass_mask, upsample_mask
from minidino.data.folders import list_pictures
from minidino.data.pictures import UnreadablePicture, open_picture, to_tensor
from minidino.errors import UserError
from minidino.pixels import normalize
from minidino.using.attend import fit_to_patches
from minidino.vit import VisionTransformer

SUFFIX = ".mask.png"
MADE_BY = "minidino segment"


@dataclass
class Seen:
    """What the network makes of one picture."""

    file: Path
    size: tuple[int, int]  # height and width of the picture in pixels
    attention: Tensor  # (h, w), mean of the heads
    features: Tensor  # (h, w, D), the last block's patch tokens after the final norm


@torch.no_grad()
def look(model: VisionTransformer, files: Sequence[Path], short_side: int) -> list[Seen]:
    """Attention and patch features of each picture, at about ``short_side`` pixels.

    Files that are no pictures are skipped, and named.

    Raises:
        UserError: if none can be read.
    """
    device = next(model.parameters()).device
    seen = []
    for file in files:
        try:
            picture = open_picture(file)
        except UnreadablePicture as error:
            print(f"skipped unreadable picture {error}")
            continue
        image = to_tensor(fit_to_patches(picture, short_side, model.patch_size))
        x = normalize(image[None].to(device))
        attention = attention_maps(model, x)[0].mean(dim=0).float().cpu()
        tokens = model.get_intermediate_layers(x, 1)[0][0, 1:].float().cpu()
        features = rearrange(tokens, "(h w) d -> h w d", h=attention.shape[0])
        seen.append(Seen(file, (picture.height, picture.width), attention, features))
    if not seen:
        raise UserError(f"none of the {len(files)} pictures could be read")
    return seen


def attention_masks(attention: Sequence[Tensor]) -> list[Tensor]:
    """Maps (h, w) -> bool masks of the same shape that hold 60% of the mass."""
    return [mass_mask(m) for m in attention]


def pca_masks(features: Sequence[Tensor], attention: Sequence[Tensor]) -> list[Tensor]:
    """Masks from the first principal component of all pictures' patches.

    Args:
        features: (h, w, D) of each picture; h and w may differ.
        attention: (h, w) of each; it only decides which side of the mean is the thing.

    Returns:
        bool (h, w) of each picture.
    """
    patches = torch.cat([f.flatten(0, 1) for f in features]).double()
    mean = patches.mean(dim=0)
    centered = patches - mean
    direction = torch.linalg.eigh(centered.T @ centered).eigenvectors[:, -1]
    along = [(f.double() - mean) @ direction for f in features]
    attended = sum(((a / a.sum()) * s).sum() for a, s in zip(attention, along, strict=True))
    return [(s if attended > 0 else -s) > 0 for s in along]


def pictures_of(data: Path) -> list[Path]:
    """A picture, or every picture below a folder; masks written here before are none.

    Raises:
        UserError: if there is none.
    """
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise UserError(f"no picture or folder at {data}")
    files = [file for file in list_pictures(data) if not file.name.endswith(SUFFIX)]
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
    names = Counter(file.with_suffix("") for file in files)
    paths = []
    for file in files:
        folder = file.parent if out is None else out / file.parent.relative_to(root)
        stem = file.stem if names[file.with_suffix("")] == 1 else file.name
        paths.append(folder / (stem + SUFFIX))
    for path in paths:
        if path.exists() and not _is_ours(path):
            raise UserError(f"{path} is there and was not written by minidino; change --out")
    return paths


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == MADE_BY
    except OSError:
        return False


def save_mask(mask: Tensor, size: tuple[int, int], path: Path) -> None:
    """Write a mask (h, w) as a PNG of ``size`` (height, width) pixels, white on the thing."""
    pixels = upsample_mask(mask[None], size)[0].to(torch.uint8) * 255
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", MADE_BY)  # so that it may be replaced, and nothing else
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.numpy()).save(path, pnginfo=note)
