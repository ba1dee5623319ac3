"""``minidino data``."""

from pathlib import Path
from typing import Annotated

import torch
import tyro

from minidino import plots
from minidino.commands.arguments import PARTS_NOT_ASKED, PartsArgument
from minidino.config import USUAL
from minidino.data import load_data
from minidino.data.streamed import StreamedFolder
from minidino.errors import UserError


def data_command(
    data: Annotated[str, tyro.conf.Positional] = "things",
    out: Path = Path("runs/data.png"),
    split: str = "train",
    size: int = 64,
    images: int = 40,
    seed: int = 0,
    reading: PartsArgument = PARTS_NOT_ASKED,
) -> None:
    """Look at a data set: a contact sheet, with masks where they are known.

    Args:
        data: things, things-telling, a torchvision name (cifar10, stl10, imagenette, pets),
            or a folder.
        out: The picture to write.
        split: train, val or test.
        size: Side of the images in pixels.
        images: How many to show.
        seed: Of the things.
        reading: How a folder's pictures are read.
    """
    if not 1 <= images <= 10_000 or not 8 <= size <= 4096:
        raise UserError("--images must be from 1 to 10,000, and --size from 8 to 4,096")
    plots.check_target(out)
    asked = reading.over(USUAL)
    found = load_data(data, split, size, max_images=images, seed=seed, reading=asked)
    if isinstance(found, StreamedFolder):
        raise UserError(f"{images} images of {size} px are too many for one sheet")
    order = torch.arange(len(found)) if found.labels is None else found.labels.argsort(stable=True)
    found = found.take(order)
    title = plots.plain(f"{data}, {split}")
    figure = plots.contact_sheet(
        found.images, found.labels, found.classes, found.masks, title=title
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        plots.save(figure, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    known = "no" if found.labels is None else len(found.classes)
    print(f"wrote {out}: {len(found)} images, {known} classes")
