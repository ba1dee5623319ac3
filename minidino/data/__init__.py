"""Pictures to train on and to evaluate with, always as uint8 batches (B, 3, S, S).

A *spec* names the data: ``things`` (drawn here, see ``things.py``), a torchvision data set
(downloaded on first use, ``downloads.py``), or a folder (``folders.py``). What fits in memory is
decoded once and kept on the training device; a larger folder is streamed, decoded by worker
processes. Both kinds hand out the same thing, so the rest of the package does not know which it
got.
"""

import os
from pathlib import Path

from minidino.config import USUAL, Reading
from minidino.data.downloads import TORCHVISION, from_torchvision
from minidino.data.folders import from_folder, say
from minidino.data.listing import SUFFIXES
from minidino.data.pictures import Pictures, check_memory
from minidino.data.streamed import StreamedFolder
from minidino.data.things import CLASSES, ThingsOnStuff
from minidino.errors import UserError

PACKED = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".rar", ".7z"}
NAMES = ("things", "things-telling", *TORCHVISION)
THINGS_IMAGES = {"train": 10_000, "val": 1_000, "test": 2_000}
# Seeds no training run is given by hand: choices are made on "val", results told of "test".
THINGS_SEEDS = {"val": 900_001, "test": 900_005}


def load_data(
    spec: str,
    split: str,
    size: int,
    *,
    max_images: int | None = None,
    seed: int = 0,
    root: Path | None = None,
    reading: Reading = USUAL,
) -> Pictures | StreamedFolder:
    """The images that a spec names.

    Args:
        spec: ``things`` or ``things-telling``, a torchvision name (``cifar10``, ``stl10``,
            ``imagenette``, ``pets``), or a folder: with ``train`` and ``val`` inside
            (however they are spelt), or a folder per class, or just pictures.
        split: ``train``, ``labelled`` (the training images that have labels, for k-NN and
            probes), ``val`` (to make choices with) or ``test`` (to report). Data sets with
            only one held-out part give it for both.
        size: side of the images in pixels.
        max_images: keep so many: the first drawn things, or an even spread of a data set.
        seed: of the training images of ``things``.
        root: where downloads are kept; by default $MINIDINO_DATA, or ~/.cache/minidino.
        reading: how a folder's pictures are read and divided.

    Raises:
        UserError: if the spec names nothing usable, in one line.
    """
    if split not in ("train", "labelled", "val", "test"):
        raise UserError(f'no split "{split}"; there are train, labelled, val and test')
    if max_images is not None and max_images < 1:
        raise UserError(f"max_images is {max_images}; it must be at least 1")
    if spec in NAMES:
        tell_namesake(spec, split)
        if reading != USUAL:
            say(f"{spec} is read as it is; fit, range and the like are for folders", split)
    if spec in ("things", "things-telling"):
        stuff = "telling" if spec == "things-telling" else "noise"
        kind = "train" if split == "labelled" else split
        n = max_images or THINGS_IMAGES[kind]
        if size < 8:
            raise UserError(f"images of {size} px are too small for {spec}; 8 px is the least")
        if seed < 0:
            raise UserError(f"seed is {seed}; it must be at least 0")
        check_memory(n, size, bytes_per_pixel=4)  # a mask, too
        drawn = ThingsOnStuff(n, size, THINGS_SEEDS.get(kind, seed), stuff)
        return Pictures(drawn.images, drawn.labels, CLASSES, drawn.masks)
    if spec in TORCHVISION:
        return from_torchvision(spec, split, size, max_images, root)
    folder = Path(os.path.expanduser(spec))
    if not spec or not folder.exists():
        raise UserError(f'no data "{spec}": it is neither a folder nor one of {", ".join(NAMES)}')
    if not folder.is_dir():
        suffix, remedy = folder.suffix.lower(), "give a folder of picture files"
        if suffix in PACKED:
            remedy = "unpack it and give the folder"
        elif suffix in SUFFIXES:
            remedy = "give the folder it is in"
        raise UserError(f"{folder} is a file; {remedy}")
    return from_folder(folder, split, size, max_images, reading)


def located(spec: str) -> str:
    """A folder's whole path, by which it is found from everywhere; a data set's name as it is."""
    return spec if spec in ("", *NAMES) else os.path.abspath(os.path.expanduser(spec))


def others_than(names_digest: str | None, data: Pictures | StreamedFolder) -> bool:
    """Are a folder's pictures to train on others than those of a digest, if both are known?"""
    return None not in (names_digest, data.names_digest) and names_digest != data.names_digest


def tell_namesake(spec: str, split: str = "train") -> None:
    """A data set's name counts before a folder of that name, which is told how to be meant."""
    if Path(spec).is_dir():
        say(f"{spec} is the data set of that name; for the folder write ./{spec}", split)
