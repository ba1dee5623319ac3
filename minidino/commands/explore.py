"""``minidino explore``."""

from pathlib import Path

import torch
from torch import nn

from minidino.commands.arguments import (
    NOT_ASKED,
    UNSAID,
    Checkpoint,
    ReadingArgument,
    Weights,
    needs_a_vit,
    short_side,
)
from minidino.data.pictures import spread
from minidino.engine.machine import pick_device
from minidino.errors import UserError, one_line
from minidino.using.attend import snapshots
from minidino.using.examples import Examples
from minidino.using.explore import Moments, check_page, page, save_page
from minidino.weights.file import Trained

MOMENTS = 8  # of a training, at most


def explore_command(
    checkpoint: Checkpoint,
    data: str | None = None,
    out: Path | None = None,
    size: int | None = None,
    pictures: int = 12,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: ReadingArgument = NOT_ASKED,
) -> None:
    """Write a page to explore: point at a patch, see where each head looks and what is like it.

    One HTML file that holds everything, to be opened in a browser or sent to a friend. A slider
    goes over the moments that the training run kept, up to these weights; without them, from random
    weights to these.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, a folder of pictures, or a data set (default: what it was trained on).
        out: The page (default: explore.html beside the checkpoint).
        size: Shorter side of the pictures in pixels (default: what the weights were made for).
        pictures: How many, evenly spread over the folder.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    if out is not None:
        check_page(out)
    trained, where = weights.load(checkpoint), pick_device(device)
    needs_a_vit(trained.backbone, "explore")
    patch, out = trained.backbone.patch_size, out or trained.folder / "explore.html"
    check_page(out)
    if pictures < 1:
        raise UserError("--pictures must be at least 1")
    read, side = reading.over(trained.reading), short_side(trained, size)
    moments = [(name, backbone.to(where)) for name, backbone in _moments(trained)]
    how = {"reading": read, "most": pictures, "model": moments[-1][1]}
    examples = Examples(trained.data(data), patch, side, **how)
    about = (
        f"A vision transformer ({one_line(trained.folder.name)}) cuts each picture into patches of "
        f"{patch} x {patch} pixels. In each block its {trained.backbone.num_heads} heads let every "
        f"patch look at all others. The slider goes from {moments[0][0]} to {moments[-1][0]}."
    )
    try:
        save_page(page(examples, moments, about), out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB); open it in a browser")


def _moments(trained: Trained) -> Moments:
    """The snapshots of a run, evenly spread, these weights last; else random weights and these."""
    found = [] if trained.config is None else snapshots(trained.folder, trained.config)
    kept = [(f"step {step:,}", backbone) for step, backbone in found]
    if kept and not _same(kept[-1][1], trained.backbone):  # of a run that was stopped
        kept.append(("the checkpoint", trained.backbone))
    if len(kept) < 2:
        return [("random weights", trained.random()), ("trained", trained.backbone)]
    chosen = spread(len(kept) - 1, MOMENTS - 1)
    return [kept[i] for i in [*chosen, len(kept) - 1]]


def _same(kept: nn.Module, backbone: nn.Module) -> bool:
    """Are these the weights of a snapshot, which are kept in half precision?"""
    pairs = zip(kept.state_dict().values(), backbone.state_dict().values(), strict=True)
    return all(torch.equal(a.half(), b.half()) for a, b in pairs)
