"""Where the time of a step goes: crops, teacher, student, loss, backward, clipping, AdamW, EMA.

    python benchmarks/split.py
    python benchmarks/split.py --recipe tiny --batch-size 16

The step is the package's own; clocks are put around its parts from outside. They wait for the
device, so on a GPU the parts sum to more than a step that is left alone. On a CPU several threads
go through a step at the same time, and the parts are those of one thread.
"""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from unittest import mock

import torch
import tyro
from contenders import COMPILE, Minidino

from minidino import trainer as step_module
from minidino.config import recipe
from minidino.data import load_data
from minidino.engine.machine import pick_device
from minidino.run.provenance import provenance


def split(contender: Minidino, steps: int) -> dict[str, float]:
    """Median seconds of each part of a step, and of what is left over."""
    trainer = contender.trainer
    seconds: dict[str, list[float]] = defaultdict(list)

    def wait() -> None:
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()

    def clocked(name: str, function: Callable) -> Callable:
        def run(*args, **kwargs):
            wait()
            began = time.perf_counter()
            result = function(*args, **kwargs)
            wait()
            seconds[name].append(time.perf_counter() - began)
            return result

        return run

    parts = {
        "crops": (trainer, "crops"),
        "teacher forward": (trainer.teacher, "forward"),
        "loss": (trainer.criterion, "score"),
        "backward": (torch.Tensor, "backward"),
        "AdamW": (trainer.optimizer, "step"),
    }
    with ExitStack() as stack:
        for name, (owner, attribute) in parts.items():
            timed = clocked(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, timed))
        for replica in trainer.gradients.replicas:
            timed = clocked("student forward", replica.network.forward)
            stack.enter_context(mock.patch.object(replica.network, "forward", timed))
        for name, function in (("clipping", "clip_gradients"), ("EMA", "update_teacher")):
            timed = clocked(name, getattr(step_module, function))
            stack.enter_context(mock.patch.object(step_module, function, timed))
        whole = clocked("whole", contender.step)
        for _ in range(steps + 2):
            whole()
    medians = {name: statistics.median(values[2:]) for name, values in seconds.items()}
    medians["the rest"] = medians["whole"] - sum(v for n, v in medians.items() if n != "whole")
    return medians


def main(
    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "things",
    batch_size: int | None = None,
    steps: int = 20,
    device: str | None = None,
    out: Path | None = None,
) -> None:
    """Print the parts of a step in milliseconds and percent.

    Args:
        recipe_name: The recipe.
        batch_size: Images a step, if not the recipe's.
        steps: Medians are of so many.
        device: cpu or cuda; by default cuda where there is one.
        out: Also write them to this JSON file.
    """
    where = pick_device(device)
    config = recipe(recipe_name, epochs=10_000)
    config = replace(config, batch_size=batch_size or config.batch_size)
    n = max(1024, config.batch_size)
    data = load_data("things", "train", config.image_size, max_images=n)
    # Compiled, the networks and the loss would be one part.
    medians = split(Minidino(config, data, where, [COMPILE]), steps)
    for name, value in medians.items():
        print(f"{name:16s}{1e3 * value:9.2f} ms{value / medians['whole']:7.1%}")
    if out is not None:
        told = {"recipe": recipe_name, "batch_size": config.batch_size, "seconds": medians}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(told | provenance(where), indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
