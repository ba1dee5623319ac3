"""``minidino embed``."""

from pathlib import Path

from minidino.commands.arguments import (
    SQUARES_NOT_ASKED,
    UNSAID,
    Checkpoint,
    SquaresArgument,
    Weights,
)
from minidino.engine import distributed
from minidino.using.embed import embed


def embed_command(
    checkpoint: Checkpoint,
    data: Path,
    out: Path,
    patches: bool = False,
    layers: int = 0,
    size: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    weights: Weights = UNSAID,
    reading: SquaresArgument = SQUARES_NOT_ASKED,
) -> None:
    """Write the features of all pictures of a folder to a file.

    Stopped, it goes on with the same command. Several GPUs: torchrun --nproc_per_node=4 -m minidino
    embed ... . What retrieve --index asks for is a file that ends in .npz.

    Args:
        checkpoint: A checkpoint, the folder of a run, or released weights.
        data: A picture, or a folder of pictures, searched at any depth.
        out: The file. In a .npz: names, cls (the final [CLS]) and what else is asked for; in a
            .csv: a row a picture.
        patches: Also the last block's patch tokens, in half precision.
        layers: Also the [CLS] tokens of so many last blocks, as the linear probe reads 4.
        size: Side of the images in pixels (default: what the weights were made for).
        workers: Processes that read pictures (default: one a core); 0 for none.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
        reading: How pictures are read.
    """
    trained = weights.load(checkpoint)
    how = {"layers": layers, "patches": patches, "size": size, "device": device, "workers": workers}
    done = embed(trained, data, out, reading=reading.over(trained.reading), **how)
    shapes = ", ".join(f"{key} {' x '.join(map(str, s))}" for key, s in done.shapes.items())
    left_out = f"; {done.left_out:,} files could not be read" if done.left_out else ""
    if distributed.is_main():
        print(f"wrote {done.out}: {done.pictures:,} pictures, {shapes}{left_out}")
