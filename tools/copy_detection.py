"""How well near-copies are found (``minidino retrieve --duplicates``): average precision.

    python tools/copy_detection.py minidino_things --data photos/

Of every picture's four copies (``using/copies.py``) and all pictures, each pair is scored by the
cosine of whitened features; the truth is which picture a copy is of.
"""

from pathlib import Path

import torch
import tyro

from minidino.data.listing import list_pictures
from minidino.data.pictures import open_picture, spread, square, to_tensor
from minidino.using.copies import copy_detection
from minidino.using.embed import embed_images
from minidino.weights.pretrained import load_trained


def main(
    checkpoint: tyro.conf.Positional[str],
    data: Path,
    pictures: int = 1500,
    copied: int = 300,
    size: int | None = None,
) -> None:
    """Print a row for the weights and one for random ones.

    Args:
        checkpoint: As the commands take it.
        data: A folder of pictures, of any depth; an even spread of it is taken.
        pictures: How many.
        copied: Copies are made of so many of them; the others distract.
        size: Side that pictures are brought to (default: what the weights were made for).
    """
    trained, files = load_trained(checkpoint), list_pictures(data)
    side = trained.side(size)
    # Those to be copied are spread over the folder, too.
    of = [files[i] for i in spread(len(files), pictures)]
    first = set(spread(len(of), copied))
    order = [*first, *(i for i in range(len(of)) if i not in first)]
    opened = [open_picture(of[i]) for i in order]
    heads = ["weights", "crop", "jpeg", "rotation", "text", "all", "precision", "recall"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for name, model in ((checkpoint, trained.backbone), ("random", trained.random())):

        def embed(some, model=model) -> torch.Tensor:
            images = torch.stack([to_tensor(square(picture, side)) for picture in some])
            return torch.cat([embed_images(model, batch)["cls"] for batch in images.split(32)])

        found = copy_detection(embed, opened, copied)
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in found.values())} |")


if __name__ == "__main__":
    tyro.cli(main)
