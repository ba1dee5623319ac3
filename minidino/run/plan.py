"""What ``--minutes`` and ``--batch auto`` mean on this machine: steps are taken to find out."""

import functools
import gc
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from minidino.config import TrainConfig
from minidino.data.pictures import Pictures
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.engine.batch import search
from minidino.engine.machine import available_ram, out_of_memory
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.limits import LIMITS, pieces_of
from minidino.pixels import sent
from minidino.run.objectives import TRAINERS, make_trainer
from minidino.trainer import batch_indices

Images = Pictures | StreamedFolder

# The largest batch of the paper's ViT-S; beyond it the scaled learning rate is untried.
MOST = 1024
STEPS_PER_EPOCH = 8  # a larger share of the images in one batch leaves too few steps


def batches_of(
    data: Images, config: TrainConfig, start: int, stop: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """This process's share of the batches of steps ``start`` to ``stop``: images, and their labels
    where the objective learns from them.
    """

    def indices() -> Iterator[Tensor]:
        of_all = batch_indices(len(data), config.batch_size, config.seed, start, stop)
        return map(distributed.share, of_all)

    if not TRAINERS[config.objective].uses_labels:
        yield from ((images, None) for images in data.batches(indices()))
        return
    # A second walk through the same indices: pictures that are decoded run ahead of the first.
    for index, images in zip(indices(), data.batches(indices()), strict=True):
        yield images, sent(data.labels[index], images)


def n_classes_of(data: Images) -> int:
    """How many labels there are to learn from; none where some pictures have none (STL-10), or a
    damaged one may change its place with another's (``data/streamed.py``).
    """
    if data.labels is None or isinstance(data, StreamedFolder) or data.labels.min() < 0:
        return 0
    return int(data.labels.max()) + 1


def one_epoch(config: TrainConfig) -> TrainConfig:
    """To take a few steps of, with all its pieces at work from the first."""
    return replace(config.with_epochs(1), gram=config.gram and LIMITS["gram"][0])


def epochs_that_fit(
    config: TrainConfig,
    data: Images,
    minutes: float,
    device: torch.device,
    engine: Engine | None = None,
) -> int:
    """How many epochs this machine trains in ``minutes``, from timing a few steps; at least 1.

    The steps are on the run's own pictures, so the time that it takes to read them counts, and
    are of the same minutes. Some are left for evaluations and for the machine's moods.
    """
    began, steps_per_epoch = time.perf_counter(), len(data) // config.batch_size
    trainer = make_trainer(
        one_epoch(config), max(steps_per_epoch, 100), device, engine, n_classes_of(data)
    )
    ends: list[float] = []
    for images, labels in batches_of(data, config, 0, 100):
        trainer.step(images, labels)["loss"].item()
        ends.append(time.perf_counter())
        # The first steps are slow, and the first pictures were read before they were asked for.
        if not distributed.any_of(len(ends) < 8 or ends[-1] - ends[3] < 4):
            break
    data.close()
    per_step = (ends[-1] - ends[3]) / (len(ends) - 4)
    left = 60 * minutes - (ends[-1] - began)
    return distributed.from_main(max(1, int(0.85 * left / (per_step * steps_per_epoch))))


def largest_batch(config: TrainConfig, engine: Engine, device: torch.device, n_images: int) -> int:
    """The largest batch that fits, up to ``MOST`` and to an eighth of the images.

    On CUDA the memory model only says where to begin: real steps on random pictures decide, and
    what they used corrects the model. On a CPU, where too much ends the process instead of
    raising an error, the model decides alone, with half of what is free.

    Raises:
        UserError: if not even the smallest batch fits, or for several processes.
    """
    cuda = device.type == "cuda"
    if config.objective != "dino" or config.backbone != "vit":
        raise UserError("--batch auto knows what DINO with a ViT needs; give --batch-size")
    if (pieces := pieces_of(config)) and not cuda:
        raise UserError(
            f"--batch auto does not know what {pieces[0]} needs on a CPU; give --batch-size"
        )
    if distributed.world_size() > 1:
        raise UserError("--batch auto is for one process; give --batch-size for all together")
    budget = 0.9 * torch.cuda.mem_get_info(device)[0] if cuda else 0.5 * available_ram()
    most = max(2, min(MOST, n_images // STEPS_PER_EPOCH))
    attempt = functools.partial(_peak_of_steps, engine=engine, device=device) if cuda else None
    return search(config, engine, int(budget), most, attempt)


def _peak_of_steps(config: TrainConfig, engine: Engine, device: torch.device) -> int | None:
    """Bytes that two steps reserve on a GPU (the first makes AdamW's moments), None if too many."""
    side = (config.image_size, config.image_size)
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        try:
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_reserved(device)
            images = torch.randint(
                0, 256, (config.batch_size, 3, *side), dtype=torch.uint8, device=device
            )
            trainer = make_trainer(one_epoch(config), 100, device, replace(engine, compile=False))
            for _ in range(2):
                trainer.step(images)
            torch.cuda.synchronize(device)
            return torch.cuda.max_memory_reserved(device) - before
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            return None
        finally:
            trainer = images = None
            gc.collect()
            torch.cuda.empty_cache()
