"""What training costs as the work grows: images/s and peak memory of minidino, one thing varied.

    python benchmarks/cost.py                                   # the things recipe
    python benchmarks/cost.py --recipe small --device cuda

Varied are the batch, the number of local crops, the image size (all crops with it), the size of
a patch (views as large as before, or nearly), the number of images in the data set (which should
cost nothing) and K. Every point is measured in a process
of its own.
"""

import json
import multiprocessing
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import torch
import tyro
from contenders import Minidino
from measure import peak_memory, rate
from tqdm import tqdm

from minidino import plots
from minidino.config import TrainConfig, recipe
from minidino.data import load_data
from minidino.engine.machine import pick_device
from minidino.run.provenance import provenance
from minidino.using.compare import nearest_sides

warnings.filterwarnings("ignore")


def variations(config: TrainConfig) -> dict[str, dict[int, tuple[TrainConfig, int]]]:
    """By what is varied and its value: the settings and the number of images in the data set."""

    def sized(patches: int) -> TrainConfig:
        """Global views of so many patches a side; the rest keeps its proportion."""
        share, p = patches * config.patch_size / config.global_size, config.patch_size
        local = max(1, round(config.local_size * share / p)) * p
        side = max(patches * p, round(config.image_size * share))
        return replace(config, global_size=patches * p, local_size=local, image_size=side)

    patch = config.patch_size
    b, g = config.batch_size, config.global_size // patch
    n = max(1024, 2 * b)
    return {
        "images a step": {
            s: (replace(config, batch_size=s), n) for s in (b // 4, b // 2, b, 2 * b)
        },
        "local views": {v: (replace(config, n_local=v), n) for v in (0, 2, 4, 6, 8)},
        "side of a global view (px)": {
            s * config.patch_size: (sized(s), n) for s in (g // 2, g, g * 3 // 2, 2 * g)
        },
        "patch (px)": {
            p: (replace(config, patch_size=p, **nearest_sides(config, p)), n)
            for p in ((4, 6, 10, 12) if config.patch_size == 6 else (patch // 2, patch, 2 * patch))
        },
        "images in the data set": {m: (config, m) for m in (n, 4 * n, 16 * n)},
        "prototypes K": {k: (replace(config, out_dim=k), n) for k in (256, 1024, 4096, 16384)},
    }


def build(config: TrainConfig, n_images: int, device: torch.device) -> Minidino:
    data = load_data("things", "train", config.image_size, max_images=n_images)
    return Minidino(config, data, device)


def speed(make: Callable[[], Minidino], batch_size: int, seconds: float) -> float:
    """Images per second in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_speed, (make, batch_size, seconds))


def _speed(make: Callable[[], Minidino], batch_size: int, seconds: float) -> float:
    contender = make()
    rate(contender.step, batch_size, seconds / 2)
    return rate(contender.step, batch_size, seconds)


def figure_of(points: dict[str, dict[int, dict[str, float]]], title: str) -> plt.Figure:
    """A column for each thing varied: images/s above, peak memory below."""
    figure, axes = plt.subplots(2, len(points), figsize=(2.6 * len(points), 4.6), sharey="row",
                                layout="constrained")  # fmt: skip
    rows = (("images_per_second", "images/s", 1, plots.TRAINED),
            ("peak_bytes", "peak memory (MiB)", 2**20, plots.TRUTH))  # fmt: skip
    for column, (what, values) in zip(axes.T, points.items(), strict=True):
        for ax, (key, label, unit, color) in zip(column, rows, strict=True):
            ax.plot(list(values), [v[key] / unit for v in values.values()], "o-", color=color)
            ax.set_xscale("log" if min(values) and max(values) > 10 * min(values) else "linear")
            ax.spines[["top", "right"]].set_visible(False)
            if ax in axes[:, 0]:
                ax.set_ylabel(label)
        column[1].set_xlabel(what)
    for ax in axes[:, 0]:  # when all is drawn: it fixes the upper end, too
        ax.set_ylim(bottom=0)
    figure.suptitle(title, fontsize=11)
    return figure


def main(
    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "things",
    seconds: float = 5.0,
    device: str | None = None,
    out: Path | None = None,
) -> None:
    """Measure each point; print them, and write numbers and a figure.

    Args:
        recipe_name: The recipe that the variations start from.
        seconds: Length of one timing.
        device: cpu or cuda; by default cuda where there is one.
        out: Write OUT.json and OUT.png.
    """
    where = pick_device(device)
    config = replace(recipe(recipe_name), epochs=10_000)
    points: dict[str, dict[int, dict[str, float]]] = {}
    for what, values in tqdm(variations(config).items(), desc="cost"):
        points[what] = {}
        for value, (varied, n_images) in values.items():
            make = partial(build, varied, n_images, where)
            found = {
                "images_per_second": speed(make, varied.batch_size, seconds),
                "peak_bytes": peak_memory(make, where),
            }
            points[what][value] = found
            tqdm.write(
                f"{what:28s}{value:8d}{found['images_per_second']:9.1f} images/s"
                f"{found['peak_bytes'] / 2**20:8.0f} MiB"
            )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        told = {"recipe": recipe_name, "points": points} | provenance(where)
        out.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
        title = f"The cost of a step of the {recipe_name} recipe, on {told['device']}"
        plots.save(figure_of(points, title), out.with_suffix(".png"))
        print(f"wrote {out.with_suffix('.json')} and {out.with_suffix('.png')}")


if __name__ == "__main__":
    tyro.cli(main)
