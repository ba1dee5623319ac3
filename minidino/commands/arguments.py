"""Arguments that several commands share."""

import re
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import tyro
from torch import nn

from minidino.config import Reading
from minidino.errors import UserError
from minidino.vit import VisionTransformer
from minidino.weights.file import Trained
from minidino.weights.pretrained import load_trained

Checkpoint = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        help="A checkpoint, the folder of a run, released weights (dino_vits16, dino_vits8, "
        "dino_vitb16, dino_vitb8; dinov2_vits14, also b, l or g, and with _reg at the end; "
        "minidino_photos, minidino_things), or weights with the names of timm, torchvision, "
        "mmpretrain or Hugging Face, whatever stands before them."
    ),
]


@dataclass(frozen=True)
class Unsaid:
    """What weights do not tell of themselves, where nothing beside them does."""

    num_heads: int | None = None
    """Attention heads (default: what the file or its config.json says, else heads of 64)."""
    grid: str | None = None
    """Rows and columns of the patches that the positions are of, if no square: 4x6."""

    def load(self, checkpoint: str) -> Trained:
        """``load_trained`` with these.

        Raises:
            UserError: if the weights cannot be used, or ``grid`` cannot be read.
        """
        if self.grid is None:
            return load_trained(checkpoint, self.num_heads)
        if not (sides := re.fullmatch(r"(\d{1,4})x(\d{1,4})", self.grid)):
            raise UserError(f"--grid {self.grid} is not rows x columns of patches, as 4x6")
        return load_trained(checkpoint, self.num_heads, (int(sides[1]), int(sides[2])))


UNSAID = Unsaid()
Weights = Annotated[Unsaid, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class AskedReading:
    """How picture files are read; what is not given is as the run read its own."""

    keep_truncated: tyro.conf.DisallowNone[bool | None] = None
    """Use JPEG files that are cut short, as far as they go."""
    range: str | None = None
    """LOW,HIGH: what becomes black and white, of pictures with more than 8 bits."""

    def over(self, kept: Reading) -> Reading:
        """What was asked for, and the rest as it was kept."""
        return replace(kept, **{n: v for n, v in vars(self).items() if v is not None})


@dataclass(frozen=True)
class AskedSquares(AskedReading):
    """The same where pictures become squares."""

    fit: Literal["square", "pad", "keep"] | None = None
    """How a picture becomes a square: its middle (square), or all of it: with a margin in its mean
    colour (pad), or squeezed, which bends its shape (keep)."""


@dataclass(frozen=True)
class AskedParts(AskedSquares):
    """The same where a part of a folder is held out."""

    group_by: str | None = None
    """Where a fifth is held out, keep together what lies in one folder (the word folder), or what
    a regular expression finds in the path below --data."""


_UNNAMED = tyro.conf.arg(name="", prefix_name=False)
ReadingArgument = Annotated[AskedReading, _UNNAMED]
SquaresArgument = Annotated[AskedSquares, _UNNAMED]
PartsArgument = Annotated[AskedParts, _UNNAMED]
NOT_ASKED, SQUARES_NOT_ASKED, PARTS_NOT_ASKED = AskedReading(), AskedSquares(), AskedParts()


def short_side(trained: Trained, asked: int | None) -> int:
    """The ``--size`` asked for, which need not divide into patches, or else the weights' own.

    Raises:
        UserError: if it is less than a patch, or beyond use.
    """
    side, patch = trained.eval_size if asked is None else asked, trained.backbone.patch_size
    if not patch <= side <= 4096:
        raise UserError(f"--size is {side}; it must be from {patch} (a patch) to 4,096")
    return side


def needs_a_vit(backbone: nn.Module, command: str) -> None:
    """Raises UserError for a ResNet, which has no tokens."""
    if not isinstance(backbone, VisionTransformer):
        raise UserError(f"{command} needs a ViT; this run trained a ResNet")
