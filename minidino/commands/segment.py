"""``minidino segment``."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from minidino.commands.arguments import (
    NOT_ASKED,
    UNSAID,
    Checkpoint,
    ReadingArgument,
    Weights,
    needs_a_vit,
    short_side,
)
from minidino.data.folders import told
from minidino.data.listing import OWN_MASK
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.using.earlier import earlier_told, made_by
from minidino.using.examples import averaged
from minidino.using.masks import find_masks, load_mask, without_masks
from minidino.using.patches import Seen
from minidino.using.segment import (
    MADE_BY,
    Masks,
    mask_paths,
    masks_of,
    pictures_of,
    save_mask,
    score,
)


def segment_command(
    checkpoint: Checkpoint,
    data: Path,
    by: Literal["attention", "pca", "cut", "examples"] = "attention",
    masks: Path | None = None,
    truth: Path | None = None,
    out: Path | None = None,
    size: int | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Cut the thing out of pictures, without labels or from a few: a mask for each.

    The mask of photo.jpg is photo.mask.png beside it, white on the thing, as large as the picture.
    No picture is changed, and no file replaced but masks that this command wrote.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, or a folder of pictures of any depth.
        by: attention keeps the patches with 60% of the mean head's mass; pca splits the patch
            features of all the pictures, which must show one subject, at the mean of their first
            principal component; cut (TokenCut) splits each picture's patches where they are least
            alike; examples learns from --masks of a few of the pictures.
        masks: Folder of true masks with the pictures' names. With examples they are learned from,
            and their pictures get no mask; else they score what is found: pictures in several
            folders (the frames of videos) are averaged in each, then the folders.
        truth: With examples, a folder of masks to score the other pictures with.
        out: Folder for the masks, laid out as --data is (default: beside the pictures).
        size: Shorter side in pixels that pictures are brought to; larger gives finer masks
            (default: what the weights were made for).
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if by == "examples" and masks is None:
        raise UserError("--by examples learns from masks of a few pictures; give --masks")
    if by != "examples" and truth is not None:
        raise UserError(f"--truth goes with --by examples; {by} is scored with --masks")
    files = pictures_of(data)
    for folder in filter(None, (masks, truth)):
        files = without_masks(files, folder)
    paths = dict(zip(files, mask_paths(files, data, out), strict=True))
    learned, known = _masks(data, files, by, masks, truth)
    trained, where = weights.load(checkpoint), pick_device(device)
    needs_a_vit(trained.backbone, "segment")
    side, read = short_side(trained, size), told(files, reading.over(trained.reading))
    how = (by, side, read, learned)
    found = masks_of(trained.backbone.to(where), files, *how)
    with earlier_told(_there(data, out), out or data):
        scores = _scored(_written(found, paths), known)
    if scores:
        # Components are those of all the pictures, as they were for the trained weights.
        some = files if by == "pca" else [*scores, *(learned or {})]
        _tell(scores, _scored(masks_of(trained.random().to(where), some, *how), known))


def _there(data: Path, out: Path | None) -> list[Path]:
    """Masks that earlier calls wrote where this one writes; beside one picture that is its own."""
    if out is None and not data.is_dir():
        return []
    return made_by(MADE_BY, (out or data).rglob(f"*{OWN_MASK}"))


def _written(found: Iterable[tuple[Seen, Tensor]], paths: dict[Path, Path]) -> Iterator:
    """Each mask, once it is on disk."""
    for picture, mask in found:
        path = paths[picture.file]
        try:
            save_mask(mask, picture.size, path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; choose --out") from None
        share = f"{mask.float().mean():.0%} of the picture"
        print(f"{one_line(picture.file)} -> {one_line(path)} ({share})")
        yield picture, mask


def _scored(found: Iterable[tuple[Seen, Tensor]], known: Masks) -> dict[Path, Tensor]:
    """``score`` of those whose true mask is known."""
    return {
        picture.file: score(mask, *load_mask(known[picture.file], picture.size)[:2])
        for picture, mask in found
        if picture.file in known
    }


def _masks(
    data: Path, files: list[Path], by: str, masks: Path | None, truth: Path | None
) -> tuple[Masks | None, Masks]:
    """The masks to learn from, if that is asked for, and those to score with."""
    root = data if data.is_dir() else data.parent
    named = {str(file.relative_to(root)): file for file in files}

    def masks_in(folder: Path | None, few: bool = False) -> Masks:
        if folder is None:
            return {}
        return {named[n]: m for n, m in find_masks(folder, named, few).items()}

    if by != "examples":
        return None, masks_in(masks)
    learned = masks_in(masks, few=True)
    if len(learned) == len(files):
        raise UserError("every picture has a mask in --masks; nothing is left to segment")
    print(f"learning from {len(learned)} of {len(files)} pictures")
    return learned, masks_in(truth)


def _tell(scores: dict[Path, Tensor], random: dict[Path, Tensor]) -> None:
    """Pictures in one folder (the frames of a video) are averaged first, then the folders."""

    def mean(found: dict[Path, Tensor]) -> tuple[float, float]:
        groups = defaultdict(list)
        for file, value in found.items():
            groups[file.parent].append(value)
        return tuple(torch.stack([torch.stack(g).mean(0) for g in groups.values()]).mean(0))

    (overlap, located), (floor, by_chance) = mean(scores), mean(random)
    of = averaged([*scores], "pictures")
    print(f"Jaccard {overlap:.3f}   random weights {floor:.3f}")
    print(f"CorLoc  {located:.3f}   random weights {by_chance:.3f}   ({of})")
