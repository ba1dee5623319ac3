"""Features of many images on a CPU: 32 at a time, as we take them, against 256 at a time.

    python benchmarks/evaluation.py

Beside images per second stands how many pages of memory the system had to provide for each image:
what a few images leave free serves the next few, what many leave free it takes back.
"""

import json
import resource
from functools import partial
from pathlib import Path

import torch
import tyro
from measure import Spread, in_turn

from minidino.config import recipe
from minidino.data import load_data
from minidino.evaluate import extract_features
from minidino.run.provenance import provenance
from minidino.successors.backbone import build_backbone


def main(
    recipe_name: str = "things", rounds: int = 9, seconds: float = 5.0, out: Path | None = None
) -> None:
    """Time both in turn and print the ratio.

    Args:
        recipe_name: The recipe whose network and picture size are used.
        rounds: How often each is timed, in turn.
        seconds: Length of one timing.
        out: Also write the numbers here, as JSON.
    """
    config = recipe(recipe_name)
    model = build_backbone(config)
    images = load_data("things", "train", config.eval_size, max_images=256).images

    def features(at_once: int) -> torch.Tensor:
        return extract_features(model, images, at_once).sum()

    def pages(at_once: int) -> float:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(8):
            features(at_once)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (8 * len(images))

    sides = (32, 256)
    steps = {f"{n} at a time": partial(features, n) for n in sides}
    rates = in_turn(steps, len(images), rounds, seconds)
    new = dict(zip(steps, map(pages, sides), strict=True))
    for name, spread in rates.items():
        print(f"{name:15s}{spread} images/s, {new[name]:6.1f} new pages an image")
    ours, theirs = (spread.values for spread in rates.values())
    times = Spread([a / b for a, b in zip(ours, theirs, strict=True)])
    print(
        f"{times.median:.2f} x ({min(times.values):.2f} to {max(times.values):.2f} over the rounds)"
    )
    if out is not None:
        told = {"recipe": recipe_name, "new_pages_per_image": new}
        told["images_per_second"] = {name: spread.values for name, spread in rates.items()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(told | provenance(torch.device("cpu")), indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
