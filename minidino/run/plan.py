"""What ``--minutes`` and ``--batch auto`` mean on this machine: steps are taken to find out."""

import functools
import gc
import time
from dataclasses import replace

import numpy as np
import torch

from minidino.config import TrainConfig
from minidino.engine import distributed
from minidino.engine.batch import search
from minidino.engine.machine import available_ram
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.trainer import Trainer

# The largest batch of the paper's ViT-S; beyond it the scaled learning rate is untried.
MOST = 1024
STEPS_PER_EPOCH = 8  # a larger share of the images in one batch leaves too few steps


def epochs_that_fit(
    config: TrainConfig,
    n_images: int,
    minutes: float,
    device: torch.device,
    engine: Engine | None = None,
) -> int:
    """How many epochs this machine trains in ``minutes``, from timing a few steps; at least 1.

    Some of the time is left for evaluations and for the machine's moods.
    """
    size = (config.batch_size // distributed.world_size(), 3, config.image_size, config.image_size)
    images = torch.randint(0, 256, size, dtype=torch.uint8, device=device)
    trainer = Trainer(config.with_epochs(1), 100, device, engine)
    timings = []
    while distributed.any_of(len(timings) < 8 or (sum(timings) < 4 and len(timings) < 100)):
        began = time.perf_counter()
        trainer.step(images)["loss"].item()
        timings.append(time.perf_counter() - began)
    per_epoch = float(np.median(timings[3:])) * (n_images // config.batch_size)
    return distributed.from_main(max(1, int(0.85 * 60 * minutes / per_epoch)))


def largest_batch(config: TrainConfig, engine: Engine, device: torch.device, n_images: int) -> int:
    """The largest batch that fits, up to ``MOST`` and to an eighth of the images.

    On CUDA the memory model only says where to begin: real steps on random pictures decide, and
    what they used corrects the model. On a CPU, where too much ends the process instead of
    raising an error, the model decides alone, with half of what is free.

    Raises:
        UserError: if not even the smallest batch fits, or for several processes.
    """
    if distributed.world_size() > 1:
        raise UserError("--batch auto is for one process; give --batch-size for all together")
    cuda = device.type == "cuda"
    budget = 0.9 * torch.cuda.mem_get_info(device)[0] if cuda else 0.5 * available_ram()
    most = max(2, min(MOST, n_images // STEPS_PER_EPOCH))
    attempt = functools.partial(_peak_of_steps, engine=engine, device=device) if cuda else None
    return search(config, engine, int(budget), most, attempt)


def _peak_of_steps(config: TrainConfig, engine: Engine, device: torch.device) -> int | None:
    """Bytes that two steps reserve on a GPU (the first makes AdamW's moments), None if too many."""
    side = (config.image_size, config.image_size)
    with torch.random.fork_rng():
        try:
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_reserved(device)
            images = torch.randint(
                0, 256, (config.batch_size, 3, *side), dtype=torch.uint8, device=device
            )
            trainer = Trainer(
                replace(config, epochs=1), 100, device, replace(engine, compile=False)
            )
            for _ in range(2):
                trainer.step(images)
            torch.cuda.synchronize(device)
            return torch.cuda.max_memory_reserved(device) - before
        except torch.OutOfMemoryError:
            return None
        finally:
            trainer = images = None
            gc.collect()
            torch.cuda.empty_cache()
