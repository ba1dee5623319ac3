"""torchvision's data sets: downloaded on first use, decoded into memory."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset

from minidino.data.pictures import Pictures, check_memory, decode_all, spread, square, to_tensor
from minidino.engine import distributed
from minidino.errors import UserError

TORCHVISION = ("cifar10", "stl10", "imagenette", "pets")
IMAGENETTE = {"train": 9469, "val": 3925}  # pictures


def data_root(root: Path | None = None) -> Path:
    """Where downloaded data sets live."""
    usual = os.environ.get("MINIDINO_DATA") or "~/.cache/minidino"
    return Path(root or os.path.expanduser(usual))


def _torchvision_set(name: str, split: str, where: Path, size: int) -> Dataset:
    """One split of a torchvision data set, for pictures of ``size``; downloaded if not there."""
    from torchvision import datasets  # here: it takes as long as torch, and things do without

    training = split in ("train", "labelled")
    where.mkdir(parents=True, exist_ok=True)
    if name == "cifar10":
        return datasets.CIFAR10(where, train=training, download=True)
    if name == "stl10":
        part = {"train": "train+unlabeled", "labelled": "train"}.get(split, "test")
        return datasets.STL10(where, part, download=True)
    if name == "imagenette":
        part = "train" if training else "val"
        side = 160 if size <= 160 else 320  # their shorter sides, in two archives
        folder = where / f"imagenette2-{side}"
        # A second download is refused.
        found = datasets.Imagenette(where, part, f"{side}px", download=not folder.is_dir())
        if len(found) < IMAGENETTE[part]:
            raise UserError(
                f"{folder} has {len(found):,} of {IMAGENETTE[part]:,} pictures "
                f"for {part}: it was not unpacked to its end. Remove the folder and start again"
            )
        return found
    part = "trainval" if training else "test"
    return datasets.OxfordIIITPet(where, part, ["category", "segmentation"], download=True)


def from_torchvision(
    name: str, split: str, size: int, max_images: int | None, root: Path | None
) -> Pictures:
    where = data_root(root)
    try:
        with distributed.one_downloads():
            dataset = _torchvision_set(name, split, where, size)
    except UserError:
        raise
    except Exception as error:
        # torchvision passes on whatever urllib, tarfile and its checks raise.
        raise UserError(
            f"could not get {name} into {where}: {error}. "
            f"Offline, put the files of torchvision.datasets there, or use --data things"
        ) from None

    keep = spread(len(dataset), max_images)
    check_memory(len(keep), size)
    images = torch.empty(len(keep), 3, size, size, dtype=torch.uint8)

    def decode(i: int):
        try:
            picture, target = dataset[keep[i]]
        except OSError as error:
            raise UserError(
                f"picture {keep[i]:,} of {name}, {split}, in {where} cannot be read: {error}. "
                f"Remove the files of {name} there and start again"
            ) from None
        images[i] = to_tensor(square(picture.convert("RGB"), size))
        if name != "pets":
            return int(target), None
        # A trimap marks the animal 1, the background 2 and the undecided edge 3.
        trimap = ImageOps.fit(target[1], (size, size), Image.Resampling.NEAREST)
        return int(target[0]), torch.from_numpy(np.array(trimap) == 1)

    labels, masks = zip(*decode_all(decode, len(keep), f"reading {name}"), strict=True)
    return Pictures(
        images,
        torch.tensor(labels),
        getattr(dataset, "classes", ()),
        torch.stack(masks) if name == "pets" else None,
    )
