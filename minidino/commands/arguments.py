"""Arguments that several commands share."""

from typing import Annotated

import tyro

Checkpoint = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(help="A checkpoint, or the folder of a run.")
]
