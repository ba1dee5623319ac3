"""Folders of pictures: read into memory, or streamed; what was guessed about them is said."""

from pathlib import Path

import torch

from minidino.config import Reading
from minidino.data.listing import few, find_pictures
from minidino.data.pictures import (
    CutShort,
    Pictures,
    UnreadablePicture,
    decode_all,
    open_picture,
    opened,
    spread,
    square,
    to_tensor,
)
from minidino.data.range import deep_values, fourth_band, range_of, value_range
from minidino.data.splits import lay_out
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.errors import UserError, one_line

IN_MEMORY_BYTES = 4 * 2**30  # a folder whose decoded pictures need more is streamed
LOOKED_AT = 64  # pictures, to know what values a folder uses
_said: set[str] = set()


def from_folder(
    folder: Path, split: str, size: int, max_images: int | None, reading: Reading
) -> Pictures | StreamedFolder:
    found = find_pictures(folder)
    left_out = found.left_out()
    if not found.files:
        raise UserError(f"no pictures in {folder}" + (f"; {left_out}" if left_out else ""))
    layout = lay_out(folder, found.files, reading.group_by)
    files, labels = layout.part(split, folder)
    if not files:
        raise UserError(f"no pictures in {folder} for {split}; it has too few to hold some out")
    digest = layout.digest()
    reading, scaled = settled(layout.parts["train"][0], reading, files)
    for text in filter(None, (left_out, *layout.notes, *scaled)):
        say(f"{one_line(folder)}: {text}", split)
    keep = spread(len(files), max_images)
    files = [files[i] for i in keep]
    labels = None if labels is None else torch.tensor([labels[i] for i in keep])
    if len(files) * 3 * size * size > IN_MEMORY_BYTES:
        return StreamedFolder(files, labels, layout.classes, size, reading, names_digest=digest)

    images = torch.empty(len(files), 3, size, size, dtype=torch.uint8)

    def decode(i: int) -> UnreadablePicture | str | None:
        try:
            picture = open_picture(files[i], reading)
        except UnreadablePicture as error:
            return error
        images[i] = to_tensor(square(picture, size, reading.fit))
        return "cut short" if "cut short" in picture.info else None

    outcome = decode_all(decode, len(files), f"reading {folder.name}")
    _tell(files, outcome)
    bad = [isinstance(o, UnreadablePicture) for o in outcome]
    skipped = [f for f, is_bad in zip(files, bad, strict=True) if is_bad]
    if len(skipped) == len(files):
        why = f"none of the {len(files)} pictures in {folder} could be read"
        raise UserError(f"{why}, as {outcome[0]}")
    found = {"skipped": skipped, "files": files, "how": reading, "names_digest": digest}
    pictures = Pictures(images, labels, layout.classes, **found)
    return pictures.take(~torch.tensor(bad)) if skipped else pictures


def say(line: str, split: str) -> None:
    """Once: a run reads its pictures several times, to train on and to score with."""
    if split == "train" or line not in _said:
        distributed.note(line)
        _said.add(line)


def _tell(files: list[Path], outcome: list[UnreadablePicture | str | None]) -> None:
    """Name the pictures that could not be read, or not to their end."""
    bad = [(f, o) for f, o in zip(files, outcome, strict=True) if isinstance(o, UnreadablePicture)]
    for _, error in bad[:5]:
        distributed.note(f"skipped unreadable picture {error}")
    if len(bad) > 5:
        distributed.note(f"skipped {len(bad)} unreadable pictures in all")
    if cut := sum(isinstance(error, CutShort) for _, error in bad):
        distributed.note(f"JPEG files cut short among them: {cut}; --keep-truncated uses them")
    if kept := [f.name for f, o in zip(files, outcome, strict=True) if o == "cut short"]:
        distributed.note(f"used though cut short, the rest gray: {len(kept)} ({few(kept)})")


Look = tuple[bool, tuple[float, float] | None]  # a fourth band? And the range, if beyond 8 bits


def settled(
    files: list[Path], reading: Reading, others: list[Path] | None = None
) -> tuple[Reading, list[str]]:
    """``reading`` with the range that pictures of more than 8 bits use, and what to say of it.

    Some of the files are looked at, evenly spread; pictures of 8 bits are never scaled.

    Args:
        others: pictures that the same reading is for; they are looked at if all of the first have
            8 bits.
    """
    some, seen = _look_at(files)
    if others not in (None, files) and all(look is None or look[1] is None for look in seen):
        some, seen = (a + b for a, b in zip((some, seen), _look_at(others), strict=True))
    read = [look for look in seen if look is not None]
    notes = []
    if ranges := [found for _, found in read if found is not None]:
        if reading.range is None:
            reading = range_of(ranges, reading)
        low, high = reading.bounds or ranges[0]
        notes.append(
            f"{len(ranges):,} of {len(some):,} pictures looked at have more than 8 bits; "
            f"{low:g} becomes black, {high:g} white (--range LOW,HIGH for another)"
        )
    elif reading.range is not None and read:
        notes.append(
            f"none of {len(read):,} pictures looked at has more than 8 bits; the range "
            f"{reading.range} changes none of them"
        )
    if fourth := sum(found for found, _ in read):
        notes.append(
            f"{fourth:,} of {len(some):,} pictures looked at have a fourth band that is not "
            "transparency; the first three are used"
        )
    return reading, notes


def _look_at(files: list[Path]) -> tuple[list[Path], list[Look | None]]:
    """Some of the files, and what was seen of each; None of what cannot be read."""
    some = [files[i] for i in spread(len(files), LOOKED_AT)]

    def look(i: int) -> Look | None:
        try:
            with opened(some[i]) as picture:
                fourth = fourth_band(picture)
                values = deep_values(picture, some[i])
                return fourth, None if values is None else value_range(values)
        except Exception:  # it will be named when it is to be used
            return None

    return some, decode_all(look, len(some), "looking at pictures")


def told(files: list[Path], reading: Reading, others: list[Path] | None = None) -> Reading:
    """``settled``, its notes said."""
    reading, notes = settled(files, reading, others)
    for text in notes:
        distributed.note(text)
    return reading
