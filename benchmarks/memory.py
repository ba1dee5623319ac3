"""Peak memory of a step at four points, beside what the model of engine/memory.py says.

    python benchmarks/memory.py --device cuda --out results/memory.json

Each point is measured in a process of its own, without torch.compile, which the model does not
know.
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import tyro
from measure import peak_memory

from minidino.config import TrainConfig, recipe
from minidino.engine.machine import pick_device
from minidino.engine.memory import step_memory
from minidino.engine.settings import Engine
from minidino.run.provenance import provenance
from minidino.trainer import Trainer

POINTS = {
    "tiny, batch 128": (recipe("tiny"), Engine()),
    "small, batch 64": (recipe("small", batch_size=64), Engine()),
    "paper-vits16, batch 64": (recipe("paper-vits16"), Engine()),
    "paper-vits16, batch 64 in 4 parts, activations computed again": (
        recipe("paper-vits16"),
        Engine(accumulate=4, checkpoint_activations=True),
    ),
}
REHEARSAL = {"things, batch 48": (recipe("things", batch_size=48), Engine())}


@dataclass
class Steps:
    """A trainer and random pictures."""

    trainer: Trainer
    images: torch.Tensor

    @classmethod
    def of(cls, config: TrainConfig, engine: Engine, device: torch.device) -> "Steps":
        shape = (config.batch_size, 3, config.image_size, config.image_size)
        images = torch.randint(0, 256, shape, dtype=torch.uint8).to(device)
        config = replace(config, freeze_last_layer_epochs=0)
        return cls(Trainer(config, 100, device, engine), images)

    def step(self) -> torch.Tensor:
        return self.trainer.step(self.images)["loss"]


def main(device: str | None = None, out: Path | None = None, rehearse: bool = False) -> None:
    """Measure each point, print and write it beside the model's number.

    Args:
        device: cpu or cuda; by default cuda where there is one.
        out: Also write the numbers to this JSON file, as they come.
        rehearse: One small point, to see that everything works.
    """
    where, found = pick_device(device), {}
    for name, (config, engine) in (REHEARSAL if rehearse else POINTS).items():
        model = step_memory(config, engine, cuda=where.type == "cuda").total
        measured = peak_memory(partial(Steps.of, config, engine, where), where)
        found[name] = {"model_bytes": model, "measured_bytes": measured}
        print(
            f"{name}: {measured / 1e9:.2f} GB, the model says {model / 1e9:.2f} "
            f"({model / measured:.2f} of it)",
            flush=True,
        )
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps({"points": found} | provenance(where), indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
