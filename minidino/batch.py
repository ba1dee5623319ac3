"""``--batch auto``: the largest batch that a device holds, and what to say when it holds less."""

import functools
import gc
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from minidino import distributed
from minidino.config import TrainConfig
from minidino.engine import Engine
from minidino.errors import UserError
from minidino.memory import HEADROOM, step_memory
from minidino.trainer import Trainer

T = TypeVar("T")

# The largest batch of the paper's ViT-S; beyond it the scaled learning rate is untried.
MOST = 1024
STEPS_PER_EPOCH = 8  # a larger share of the images in one batch leaves too few steps


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


def search(
    config: TrainConfig,
    engine: Engine,
    budget: int,
    most: int,
    attempt: Callable[[TrainConfig], int | None] | None,
) -> int:
    """The largest batch, at most ``most``, whose steps stay within ``budget`` bytes.

    Args:
        attempt: takes steps; returns the bytes they used, or None if memory ran out. Without
            one the model is believed.

    Raises:
        UserError: if not even the smallest batch fits.
    """
    sizes = batch_sizes(most, engine.accumulate)

    def predicted(size: int) -> float:
        return step_memory(replace(config, batch_size=size), engine, cuda=attempt is not None).total

    correction, best, too_large = HEADROOM, 0, most + 1
    while True:
        fitting = [s for s in sizes if s < too_large and predicted(s) * correction <= budget]
        size = max(fitting, default=sizes[0] if attempt is not None and not best else 0)
        if size <= best or size >= too_large:
            break
        if attempt is None:
            best = size
            break
        used = attempt(replace(config, batch_size=size))
        if used is None or used > budget:
            too_large, correction = size, 1.25 * correction
        else:
            best, correction = size, used / predicted(size)
    if not best:
        raise UserError(
            f"not even a batch of {sizes[0]} fits in {budget / 2**30:.1f} GiB; try "
            "--checkpoint-activations, smaller crops, or a smaller network"
        )
    return best


def batch_sizes(most: int, parts: int) -> list[int]:
    """Sizes to choose from: all small ones, then an eighth apart; each divides into ``parts``."""
    sizes, size = [], max(2, parts)
    while size <= most:
        if size % parts == 0:
            sizes.append(size)
        step = 8 if size >= 16 else 1
        size += max(step, size // 8 // step * step)
        size = -(-size // parts) * parts
    return sizes or [max(2, parts) if max(2, parts) % parts == 0 else 2 * parts]


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


def available_ram() -> int:
    """Bytes that this process may still take: of the machine, and of its container."""
    try:
        text = Path("/proc/meminfo").read_text()
        free = 1024 * int(re.search(r"MemAvailable:\s+(\d+)", text).group(1))
    except (OSError, AttributeError):  # not Linux: half of what is built in
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    try:
        limit, used = (
            Path("/sys/fs/cgroup", name).read_text() for name in ("memory.max", "memory.current")
        )
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return free


def advised(function: Callable[..., T]) -> Callable[..., T]:
    """The same function; running out of memory becomes a ``UserError`` that says what to do."""

    @functools.wraps(function)
    def run(*args, **kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            asked = re.search(r"allocate ([\d.]+ ?\w+)", str(error))
            if not isinstance(error, torch.OutOfMemoryError) and not (
                asked and "DefaultCPUAllocator" in str(error)  # how the CPU's allocator says it
            ):
                raise
            size = f" ({asked.group(1)} more were needed)" if asked else ""
        raise UserError(
            f"out of memory{size}; the last checkpoint is kept. Try --accumulate 2, which takes "
            "the same batch in two parts, --checkpoint-activations, or a smaller batch"
        )

    return run
