"""Arguments that several commands share."""

import re
from dataclasses import dataclass
from typing import Annotated

import tyro

from minidino.errors import UserError
from minidino.weights.file import Trained
from minidino.weights.pretrained import load_trained

Checkpoint = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        help="A checkpoint, the folder of a run, released weights (dino_vits16, dino_vits8, "
        "dino_vitb16, dino_vitb8; minidino_things), or weights with the names of timm or of "
        "Hugging Face, whatever stands before them."
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
