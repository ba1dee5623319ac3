"""What a second process is worth: images per second of n processes against those of one.

    python benchmarks/processes.py                        # 2 processes, one thread each
    python benchmarks/processes.py --recipe small --device cuda --processes 4

Three sides take turns in one run, with the same global batch:

* one process, alone;
* n processes that train one network together, as ``torchrun`` starts them;
* n processes that train a network of their own each, on the n-th part of the batch, at the same
  time. They share the machine and nothing else: what they lack of n times the speed is the
  machine's, and the smaller batch's, doing. What the second side lacks beside them is the
  price of agreeing.
"""

import json
import os
import socket
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import torch
import torch.multiprocessing
import tyro
from measure import Spread

from minidino.config import TrainConfig, recipe
from minidino.data import load_data
from minidino.engine import distributed
from minidino.engine.machine import pick_device
from minidino.run.provenance import provenance
from minidino.trainer import Trainer, batch_indices

SIDES = ("one", "together", "apart")


def be_one(
    orders: Connection, config: TrainConfig, environment: dict[str, str], device: str
) -> None:
    """A process of some side: for each number of seconds received, train and answer.

    The answer is the images of this process and the time they took; 0 seconds end it.
    """
    os.environ.update(environment)
    torch.set_num_threads(1)
    distributed.join()
    where = pick_device(device)
    data = load_data(config.data, "train", config.image_size, max_images=2048).to(where)
    trainer = Trainer(config, len(data) // config.batch_size, where)
    indices = batch_indices(len(data), config.batch_size, 0, 0, trainer.total_steps)
    batches = data.batches(map(distributed.share, indices))
    orders.send("ready")
    while seconds := orders.recv():
        began, images, late = time.perf_counter(), 0, False
        while not late:
            batch = next(batches)
            trainer.step(batch)["loss"].item()
            images += len(batch)
            late = distributed.any_of(time.perf_counter() - began >= seconds)
        orders.send((images, time.perf_counter() - began))
    orders.close()


class Side:
    """Some processes that are timed together."""

    def __init__(self, name: str, n: int, config: TrainConfig, device: str):
        if name == "apart":
            config = replace(config, batch_size=config.batch_size // n)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        context = torch.multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for rank in range(1 if name == "one" else n):
            here, there = context.Pipe()
            environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            if name == "together":
                environment |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": f"{n}",
                                "LOCAL_WORLD_SIZE": f"{n}", "MASTER_ADDR": "127.0.0.1",
                                "MASTER_PORT": f"{port}"}  # fmt: skip
            own = f"cuda:{rank}" if device == "cuda" and name != "together" else device
            process = context.Process(target=be_one, args=(there, config, environment, own))
            process.start()
            there.close()  # a process that dies ends the wait for its answer
            self.pipes.append(here)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def images_per_second(self, seconds: float) -> float:
        """Of all its processes, over about so many seconds."""
        for pipe in self.pipes:
            pipe.send(seconds)
        return sum(images / spent for images, spent in (pipe.recv() for pipe in self.pipes))

    def end(self) -> None:
        for pipe in self.pipes:
            pipe.send(0)
        for process in self.processes:
            process.join()


def main(
    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "things",
    processes: int = 2,
    batch_size: int | None = None,
    rounds: int = 7,
    seconds: float = 10.0,
    device: str = "cpu",
    out: Path | None = None,
) -> None:
    """Measure the three sides and print how well n processes use n cores.

    Args:
        recipe_name: The recipe whose network, crops and data are used.
        processes: How many processes stand against one.
        batch_size: Images a step, of all processes together; by default the recipe's.
        rounds: How often each side is timed, in turn.
        seconds: Length of one timing.
        device: cpu (one thread a process) or cuda (one GPU a process).
        out: Also write the numbers here, as JSON.
    """
    config = recipe(recipe_name, max_images=2048, epochs=10_000)
    config = replace(config, batch_size=batch_size or config.batch_size)
    sides = {name: Side(name, processes, config, device) for name in SIDES}
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    for side in sides.values():
        side.images_per_second(seconds / 2)  # warm-up, not counted
    for _ in range(rounds):
        for name, side in sides.items():
            rates[name].append(side.images_per_second(seconds))
    for side in sides.values():
        side.end()

    def efficiency(name: str, than: str, times: int) -> list[float]:
        return [a / (times * b) for a, b in zip(rates[name], rates[than], strict=True)]

    result = {
        "recipe": recipe_name,
        "batch_size": config.batch_size,
        "processes": processes,
        "threads_per_process": 1,
        "cpu_count": os.cpu_count(),
        "images_per_second": rates,
        "efficiency": efficiency("together", "one", processes),
        "efficiency_apart": efficiency("apart", "one", processes),
        "together_to_apart": efficiency("together", "apart", 1),
    }
    for name in SIDES:
        print(f"{name:9s} {Spread(rates[name])} images/s")
    for key, words in (
        ("efficiency", f"{processes} processes together, efficiency"),
        ("efficiency_apart", "sharing the machine only, efficiency"),
        ("together_to_apart", "together, to that"),
    ):
        values = result[key]
        low, high = min(values), max(values)
        print(f"{words:38s}{Spread(values).median:5.2f} ({low:.2f} to {high:.2f} over the rounds)")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        where = provenance(torch.device(device))
        out.write_text(json.dumps(result | where, indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
