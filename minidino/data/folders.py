"""Folders of pictures: which file belongs to which split and class, and reading them."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from minidino.data.pictures import Pictures, UnreadablePicture, decode_all, decode_square, spread
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.errors import UserError, one_line

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
IN_MEMORY_BYTES = 4 * 2**30  # a folder whose decoded pictures need more is streamed


def list_pictures(folder: Path) -> list[Path]:
    """Every picture below a folder, by name; hidden files are left out."""
    return sorted(_pictures(folder))


def _pictures(folder: Path) -> Iterator[Path]:
    files = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return (f for f in files if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))


def _list_folder(folder: Path, split: str) -> tuple[list[Path], list[int] | None, list[str]]:
    """Files, labels and class names of one split.

    A class has the same number in all splits: its place among the folders in ``train``. There are
    no labels (None) in a flat folder, nor where a folder is of no class in ``train``.
    """
    top, has_splits = folder, (folder / "train").is_dir()
    if has_splits:
        held_out = ["test", "val", "valid"] if split == "test" else ["val", "valid", "test"]
        wanted = ["train"] if split in ("train", "labelled") else held_out
        found = [folder / name for name in wanted if (folder / name).is_dir()]
        if not found:
            raise UserError(f"{folder} has a train folder but no val or test folder")
        folder = found[0]
    classes = _classes(folder)
    if not classes:
        return list_pictures(folder), None, []
    by_class = {name: list_pictures(folder / name) for name in classes}
    if has_splits and (trained := _classes(top / "train")):
        if not set(classes) <= set(trained):
            return list_pictures(folder), None, []
        classes = trained
    number = {name: i for i, name in enumerate(classes)}
    files = [file for some in by_class.values() for file in some]
    labels = [number[name] for name, some in by_class.items() for _ in some]
    if not has_splits:
        # No held-out part: every fifth picture is one, the same each time.
        keep = [i for i in range(len(files)) if (i % 5 == 4) == (split in ("val", "test"))]
        files, labels = [files[i] for i in keep], [labels[i] for i in keep]
    return files, labels, classes


def _classes(folder: Path) -> list[str]:
    """The names of the subfolders that hold pictures."""
    try:
        subfolders = [f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")]
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from None
    return sorted(f.name for f in subfolders if any(_pictures(f)))


def from_folder(folder: Path, split: str, size: int, max_images: int | None):
    files, labels, classes = _list_folder(folder, split)
    if not files:
        raise UserError(f"no pictures in {folder} (looked for {' '.join(sorted(SUFFIXES))})")
    keep = spread(len(files), max_images)
    files = [files[i] for i in keep]
    labels = None if labels is None else torch.tensor([labels[i] for i in keep])
    if len(files) * 3 * size * size > IN_MEMORY_BYTES:
        return StreamedFolder(files, labels, classes, size)

    images = torch.empty(len(files), 3, size, size, dtype=torch.uint8)

    def decode(i: int) -> bool:
        try:
            images[i] = decode_square(files[i], size)
        except UnreadablePicture:
            return False
        return True

    readable = decode_all(decode, len(files), f"reading {folder.name}")
    skipped = [f for f, could in zip(files, readable, strict=True) if not could]
    for file in skipped[:5]:
        distributed.note(f"skipped unreadable picture {one_line(file)}")
    if len(skipped) > 5:
        distributed.note(f"skipped {len(skipped)} unreadable pictures in all")
    if len(skipped) == len(files):
        raise UserError(f"none of the {len(files)} pictures in {folder} could be read")
    pictures = Pictures(images, labels, classes, skipped=skipped)
    return pictures.take(torch.tensor(readable)) if skipped else pictures
