"""Arguments that several commands share."""

from typing import Annotated

import tyro

Checkpoint = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        help="A checkpoint, the folder of a run, released weights (dino_vits16, dino_vits8, "
        "dino_vitb16, dino_vitb8; minidino_things), or weights with the names of timm or of "
        "Hugging Face."
    ),
]
