"""A training run in three stages: settle its settings, build its parts, take its steps."""

import copy
import os
import shlex
import subprocess
import sys
import time
import types
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from minidino.config import TrainConfig
from minidino.data import load_data, located, others_than
from minidino.data.streamed import StreamedFolder
from minidino.engine import distributed
from minidino.engine.machine import advised, pick_device
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.run.checkpoint import LATEST
from minidino.run.checkpoint import resume as resume_from
from minidino.run.folder import RunFolder, settings_kept
from minidino.run.interrupts import RunStopped, StopRequest, stop_request
from minidino.run.objectives import make_trainer
from minidino.run.plan import (
    Images,
    batches_of,
    epochs_that_fit,
    largest_batch,
    n_classes_of,
)
from minidino.run.recorder import Pace, Recorder
from minidino.run.watch import TrainingDiverged, verdict
from minidino.trainer import Trainer
from minidino.vit import VisionTransformer
from minidino.weights import start as beginning
from minidino.weights.start import Start


@dataclass
class TrainResult:
    """What a run leaves behind.

    Attributes:
        config: its settings.
        backbone: the teacher's, in eval mode.
        history: the lines of ``metrics.jsonl``.
        finished: False if the time was up first.
        seconds: wall-clock time of training, evaluations included, over all resumes.
        images_per_second: of the training steps alone.
        verdict: whether it collapsed, in one sentence.
    """

    config: TrainConfig
    backbone: VisionTransformer
    history: list[dict] = field(repr=False)
    finished: bool
    seconds: float
    images_per_second: float
    verdict: str


@dataclass(frozen=True)
class Request:
    """What was asked for beside the settings; ``settle`` makes settings of it.

    Attributes:
        out: the run's folder, or None.
        minutes: when to stop.
        fit: "fill" or "shorten": may the epochs follow from ``minutes``?
        batch: "auto" if the batch may follow from the memory.
        device: as it was typed.
        start: the weights that a fresh run begins with, or None.
        began: ``time.perf_counter()`` at the call.
    """

    out: Path | None
    minutes: float | None
    fit: Literal["fill", "shorten"] | None
    batch: Literal["auto"] | None
    device: str | None
    start: Start | None
    began: float


@distributed.together
@advised
def train(
    config: TrainConfig,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    minutes: float | None = None,
    fit: Literal["fill", "shorten"] | None = None,
    device: str | None = None,
    progress: bool = True,
    engine: Engine | None = None,
    batch: Literal["auto"] | None = None,
    start: Start | None = None,
) -> TrainResult:
    """Train DINO; in all processes together, if ``torchrun`` started several (see docs/).

    Args:
        config: the settings, for example ``recipe("things")``.
        out: folder for ``checkpoint.pt``, ``metrics.jsonl``, ``config.json`` and
            ``snapshots/``; None writes nothing.
        resume: go on from the checkpoint in ``out`` if there is one, with the same settings.
        minutes: stop after so long, saving; ``resume`` goes on from there.
        fit: let a fresh run's epochs follow from ``minutes`` and the speed of this machine:
            "fill" the time, or only "shorten" what would not fit. The result's config tells.
        device: "cpu", "cuda", "mps", ...; by default the fastest kind that is here.
        progress: show a bar.
        engine: how steps are computed; by default compiled on CUDA, and on a CPU with parts of
            the batch side by side.
        batch: "auto" gives a fresh run the largest batch that the device holds. The result's
            config tells it, and the learning rate follows.
        start: what ``config.init`` names, if it was read already (``weights/start.py``).

    Raises:
        UserError: for data or an output folder that cannot be used, for a resume with other
            settings, and if memory runs out.
        TrainingDiverged: if loss or weights stop being finite; the last checkpoint stays.
        RunStopped: after Ctrl-C or SIGTERM, when the step under way is saved.
    """
    began, out = time.perf_counter(), None if out is None else Path(out)
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UserError(f"minutes is {minutes}; it must be positive, and an end")
    where = pick_device(device)
    engine = engine or Engine.of(where)
    with (
        stop_request() as stop,
        torch.random.fork_rng(range(torch.cuda.device_count())),  # the caller's stays as it was
        # The main process reads the run's files, and its settings count for all.
        RunFolder(out if distributed.is_main() else None) as folder,
    ):
        with stop.cutting_in():
            saved = folder.saved(resume)
            mine = (config, minutes, fit, saved, beginning.of(config, saved, start))
            config, minutes, fit, saved, start = distributed.from_main(mine)
            asked = Request(out, minutes, fit, batch, device, start, began)
            config, data = settle(config, asked, saved, where, engine)
            trainer, recorder = build(config, asked, saved, where, engine, data, folder)
        try:
            return run(trainer, data, recorder, stop, asked, progress)
        finally:
            data.close()


# ---------------------------------------------------------------- settle


def settle(
    config: TrainConfig, asked: Request, saved: dict | None, where: torch.device, engine: Engine
) -> tuple[TrainConfig, Images]:
    """The settings that the run will have, to the last one, and its images on the device.

    A resume keeps the settings it was started with. A fresh run may take its batch from the
    memory here and its epochs from the minutes it is given.
    """
    if saved is not None:
        config = _settings_to_go_on_with(config, asked, saved)
    elif asked.start is not None:
        config = beginning.sized_for(config, asked.start)
    distributed.check_batch(config.batch_size)
    data = _load_images(config, 2 if asked.batch == "auto" else config.batch_size)
    distributed.check_same(device=where.type, images=len(data), names=data.names_digest)
    if saved is not None and others_than(saved.get("names_digest"), data):
        raise UserError(
            f"pictures of {config.data} were added, taken away or renamed since the run began; "
            f"bring them back, or begin anew from its weights: --init {asked.out}, another --out"
        )
    data, config = data.to(where), replace(config, data=located(config.data))
    if saved is None:  # whoever uses the weights reads pictures as this training does
        config = replace(config, range=config.range or data.how.range)
    if engine.workers is not None and isinstance(data, StreamedFolder):
        data.workers = engine.workers
    if saved is None and asked.batch == "auto":
        config = replace(config, batch_size=largest_batch(config, engine, where, len(data)))
        distributed.note(f"the largest batch that fits: {config.batch_size} images")
    if saved is None and asked.fit is not None and asked.minutes is not None:
        left = asked.minutes - (time.perf_counter() - asked.began) / 60
        epochs = epochs_that_fit(config, data, left, where, engine)
        if asked.fit == "fill" or epochs < config.epochs:
            config = config.with_epochs(epochs)
            distributed.note(f"epochs that fit in {asked.minutes:g} minutes here: {epochs}")
    return config, data


def _settings_to_go_on_with(config: TrainConfig, asked: Request, saved: dict) -> TrainConfig:
    """The run's own settings, if ``config`` has the same; what it chose itself may differ."""
    kept = settings_kept(asked.out, saved, asked={})
    if asked.fit is not None:
        config = config.with_epochs(kept.epochs)
    if asked.batch is not None:
        config = replace(config, batch_size=kept.batch_size)
    config = beginning.with_sizes_of(kept, config)
    config = replace(config, range=config.range or kept.range)  # settled when the run began
    return settings_kept(asked.out, saved, asked=vars(config))


def _load_images(config: TrainConfig, at_least: int) -> Images:
    """The training images, ``at_least`` so many: one batch of them."""
    data = load_data(
        config.data,
        "train",
        config.image_size,
        max_images=config.max_images,
        seed=config.seed,
        reading=config.reading,
    )
    if len(data) < at_least:
        raise UserError(
            f"{len(data)} image{'s' * (len(data) != 1)} in {config.data}, fewer than one batch of "
            f"{at_least}; add pictures or lower --batch-size"
        )
    return data


# ---------------------------------------------------------------- build


def build(
    config: TrainConfig,
    asked: Request,
    saved: dict | None,
    where: torch.device,
    engine: Engine,
    data: Images,
    folder: RunFolder,
) -> tuple[Trainer, Recorder]:
    """The networks and all that moves them, at the step the run goes on from, and its record."""
    steps_per_epoch = len(data) // config.batch_size
    backbone = beginning.first_backbone(config, saved, asked.start)
    trainer = make_trainer(config, steps_per_epoch, where, engine, n_classes_of(data), backbone)
    if saved is not None:
        resume_from(trainer, saved, str(asked.out / LATEST))
    elif asked.start is not None:
        beginning.take_over_head(trainer, asked.start)
    folder.make()
    return trainer, Recorder(asked.out, trainer, data, saved, asked.began)


# ---------------------------------------------------------------- run


def run(
    trainer: Trainer,
    data: Images,
    recorder: Recorder,
    stop: StopRequest,
    asked: Request,
    progress: bool,
) -> TrainResult:
    """Take the steps, and after some of them look at what was learned, and save."""
    config, first, total = trainer.config, trainer.now, trainer.total_steps
    recorder.save()  # from here on the run can be resumed, and its folder can be written to
    recorder.look(stop)
    pace = Pace(config.batch_size)
    batches = batches_of(data, config, first, total)
    progress = progress and distributed.is_main()
    with tqdm(
        total=total, initial=first, unit="step", disable=not progress, desc="training"
    ) as bar:
        pace.go_on()
        for images, labels in stop.until_asked(batches):
            metrics = trainer.step(images, labels)
            bar.update()
            pace.steps += 1
            at_epoch_end = trainer.now % trainer.steps_per_epoch == 0
            late = asked.minutes is not None and distributed.any_of(
                time_is_up(time.perf_counter() - asked.began, asked.minutes)
            )
            logged = trainer.now % config.log_every == 0 or trainer.now == total
            if not (at_epoch_end or late or logged or recorder.due()):
                continue
            # The only places where the host waits for the device.
            metrics = _numbers(metrics, trainer.now)
            rate = pace.rest()
            if logged:
                bar.set_postfix_str(recorder.write(metrics, rate))
            recorder.look(stop)
            if late or trainer.now == total:
                recorder.save()
            elif at_epoch_end:
                recorder.save_if_cheap()
            if late:
                break
            pace.go_on()
    if stop.agreed():
        recorder.save()
        recorder.log.close()
        distributed.wait_for_all()  # none says that it is saved before it is
        raise RunStopped(_how_to_go_on(stop, trainer, asked), stop.number)
    recorder.log.close()
    return TrainResult(
        config=config,
        backbone=copy.deepcopy(trainer.teacher.backbone).eval(),
        history=recorder.log.lines,
        finished=trainer.now == total,
        seconds=recorder.seconds(),
        images_per_second=pace.overall(),
        verdict=verdict(recorder.log.lines, config.out_dim),
    )


def time_is_up(seconds: float, minutes: float) -> bool:
    """Has a run of so many seconds used up its minutes?"""
    return seconds > 60 * minutes


def _numbers(metrics: dict[str, Tensor], step: int) -> dict[str, Tensor]:
    """A step's metrics, averaged over the processes; TrainingDiverged if the loss is no number."""
    metrics = distributed.mean(metrics)
    if not np.isfinite(loss := metrics["loss"].item()):
        raise TrainingDiverged.at(step, f"the loss is {loss}")
    return metrics


def _how_to_go_on(stop: StopRequest, trainer: Trainer, asked: Request) -> str:
    done = f"stopped by {stop.by} after step {trainer.now:,} of {trainer.total_steps:,}"
    if asked.out is None:
        return f"{done}; nothing was saved, as the run has no folder"
    flags = [] if asked.device is None else ["--device", asked.device]
    flags += trainer.engine.flags(trainer.device)
    command = ["minidino", "train", "--out", str(asked.out), *flags, "--resume"]
    typed = subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)
    return f"{done}, and saved; go on with: {typed}"


class _Callable(types.ModuleType):
    """``minidino.train`` is this module and a public function; calling the module calls it."""

    def __call__(self, *args, **kwargs) -> TrainResult:
        return train(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
