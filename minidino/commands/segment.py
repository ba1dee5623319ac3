"""``minidino segment``."""

from functools import partial
from pathlib import Path
from typing import Literal

from minidino.attention import mass_mask
from minidino.commands.arguments import (
    NOT_ASKED,
    UNSAID,
    Checkpoint,
    ReadingArgument,
    Weights,
    needs_a_vit,
)
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.using.patches import patch_features
from minidino.using.segment import Split, look, mask_paths, pictures_of, save_mask


def segment_command(
    checkpoint: Checkpoint,
    data: Path,
    by: Literal["attention", "pca"] = "attention",
    out: Path | None = None,
    size: int | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Cut the thing out of pictures, without labels: a mask for each, white on the thing.

    The mask of photo.jpg is photo.mask.png beside it, as large as the picture. No picture is
    changed, and no file replaced but masks that this command wrote.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, or a folder of pictures of any depth.
        by: attention keeps the patches with 60% of the mean head's mass; pca splits the patch
            features of all the pictures, which must show one subject, at the mean of their first
            principal component.
        out: Folder for the masks, laid out as --data is (default: beside the pictures).
        size: Shorter side in pixels that pictures are brought to; larger gives finer masks
            (default: what the weights were made for).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if size is not None and size > 4096:
        raise UserError(f"--size is {size}; the largest is 4,096")
    files = pictures_of(data)
    paths = dict(zip(files, mask_paths(files, data, out), strict=True))
    trained, where = weights.load(checkpoint), pick_device(device)
    needs_a_vit(trained.backbone, "segment")
    patch = trained.backbone.patch_size
    if size is not None and size < patch:
        raise UserError(f"--size must be at least a patch ({patch})")
    trained.backbone.to(where)
    how = {"short_side": size or trained.eval_size, "reading": reading.over(trained.reading)}
    look_at = partial(look, trained.backbone, **how)
    if by == "pca":
        # One picture is in memory at a time, so each is looked at twice.
        split = Split(look_at(files))
        files = split.files
    for picture in look_at(files, features=patch_features if by == "pca" else None):
        mask = mass_mask(picture.attention) if by == "attention" else split.mask(picture.features)
        path = paths[picture.file]
        try:
            save_mask(mask, picture.size, path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; choose --out") from None
        share = f"{mask.float().mean():.0%} of the picture"
        print(f"{one_line(picture.file)} -> {one_line(path)} ({share})")
