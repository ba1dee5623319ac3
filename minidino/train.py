"""A training run: the steps over the data, logged, evaluated, saved, and resumed exactly."""

import copy
import shlex
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from minidino import distributed
from minidino.batch import advised, largest_batch
from minidino.checkpoint import LATEST
from minidino.collapse import entropy
from minidino.config import TrainConfig
from minidino.data import load_data
from minidino.engine import Engine
from minidino.errors import UserError
from minidino.folder import RunFolder, settings_kept
from minidino.interrupts import RunStopped, StopRequest, stop_request
from minidino.pictures import Pictures
from minidino.recorder import Recorder
from minidino.streamed import StreamedFolder
from minidino.trainer import Trainer, batch_indices
from minidino.vit import VisionTransformer
from minidino.watch import TrainingDiverged, Watch


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
    """

    config: TrainConfig
    backbone: VisionTransformer
    history: list[dict] = field(repr=False)
    finished: bool
    seconds: float
    images_per_second: float


def pick_device(name: str | None = None) -> torch.device:
    """The device asked for, or CUDA where there is one.

    Raises:
        UserError: if it is not there.
    """
    try:
        kind = ("cuda" if torch.cuda.is_available() else "cpu") if name is None else name
        device = torch.device(kind)
        torch.ones(1, device=device).item()  # "meta" is a device that keeps no numbers
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UserError(f'no device "{name}" on this machine; try --device cpu') from None
    return distributed.own_device(device)


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
        device: "cpu", "cuda", ...; by default CUDA where there is one.
        progress: show a bar.
        engine: how steps are computed; by default compiled on CUDA, and on a CPU with parts of
            the batch side by side.
        batch: "auto" gives a fresh run the largest batch that the device holds. The result's
            config tells it, and the learning rate follows.

    Raises:
        UserError: for data or an output folder that cannot be used, for a resume with other
            settings, and if memory runs out.
        TrainingDiverged: if loss or weights stop being finite; the last checkpoint stays.
        RunStopped: after Ctrl-C or SIGTERM, when the step under way is saved.
    """
    began = time.perf_counter()
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UserError(f"minutes is {minutes}; it must be positive, and an end")
    where = pick_device(device)
    out = None if out is None else Path(out)
    gpus = range(torch.cuda.device_count())
    with (
        stop_request() as stop,
        torch.random.fork_rng(gpus),  # the caller's state stays as it was
        # The main process reads the run's files, and its settings count for all.
        RunFolder(out if distributed.is_main() else None) as folder,
    ):
        with stop.cutting_in():
            saved = folder.saved(resume)
            if saved is not None:
                config = _settings_to_go_on_with(config, saved, out, fit, batch)
            mine = (config, minutes, fit, saved)
            config, minutes, fit, saved = distributed.from_main(mine)
            distributed.check_batch(config.batch_size)
            data = _load_images(config, 2 if batch == "auto" else config.batch_size)
            distributed.check_same(device=where.type, images=len(data))
            engine, data = engine or Engine.of(where), data.to(where)
            if batch == "auto" and saved is None:
                fitting = largest_batch(config, engine, where, len(data))
                config = replace(config, batch_size=fitting)
                distributed.note(f"the largest batch that fits: {fitting} images")
            if fit is not None and minutes is not None and saved is None:
                left = minutes - (time.perf_counter() - began) / 60
                epochs = epochs_that_fit(config, len(data), left, where, engine)
                if fit == "fill" or epochs < config.epochs:
                    config = config.with_epochs(epochs)
                    distributed.note(f"epochs that fit in {minutes:g} minutes here: {epochs}")
            trainer = Trainer(config, len(data) // config.batch_size, where, engine)
            if saved is not None:
                trainer.load_state_dict(saved, str(out / LATEST))
            folder.make()
            recorder = Recorder(out, trainer, data, saved, began)
        try:
            return _run(trainer, data, recorder, stop, minutes, progress, device)
        finally:
            data.close()


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


def _settings_to_go_on_with(
    config: TrainConfig, saved: dict, out: Path, fit: str | None, batch: str | None
) -> TrainConfig:
    """The run's own settings, if ``config`` has the same; what it chose itself may differ."""
    kept = settings_kept(out, saved, asked={})
    if fit is not None:
        config = config.with_epochs(kept.epochs)
    if batch is not None:
        config = replace(config, batch_size=kept.batch_size)
    return settings_kept(out, saved, asked=vars(config))


def _load_images(config: TrainConfig, at_least: int) -> Pictures | StreamedFolder:
    """The training images, ``at_least`` so many: one batch of them."""
    data = load_data(
        config.data, "train", config.image_size, max_images=config.max_images, seed=config.seed
    )
    if len(data) < at_least:
        raise UserError(
            f"{len(data)} image{'s' * (len(data) != 1)} in {config.data}, fewer than one batch of "
            f"{at_least}; add pictures or lower --batch-size"
        )
    return data


def _run(
    trainer: Trainer,
    data: Pictures | StreamedFolder,
    recorder: Recorder,
    stop: StopRequest,
    minutes: float | None,
    progress: bool,
    device: str | None,
) -> TrainResult:
    config, first, total = trainer.config, trainer.now, trainer.total_steps
    recorder.save()  # from here on the run can be resumed, and its folder can be written to
    recorder.look(stop)
    watch = Watch(config.out_dim, round(config.warmup_epochs * trainer.steps_per_epoch))
    step_seconds, window_steps = 0.0, 0
    progress = progress and distributed.is_main()
    indices = batch_indices(len(data), config.batch_size, config.seed, first, total)
    shown = dict(unit="step", disable=not progress, desc="training")
    with tqdm(total=total, initial=first, **shown) as bar:
        window_start = time.perf_counter()
        for images in stop.until_asked(data.batches(map(distributed.share, indices))):
            metrics = trainer.step(images)
            bar.update()
            window_steps += 1
            at_epoch_end = trainer.now % trainer.steps_per_epoch == 0
            spent = time.perf_counter() - recorder.began
            late = minutes is not None and distributed.any_of(time_is_up(spent, minutes))
            logged = trainer.now % config.log_every == 0 or trainer.now == total
            if not (at_epoch_end or late or logged or recorder.due()):
                continue

            # The only places where the host waits for the device.
            metrics = distributed.mean(metrics)
            loss, h = metrics["loss"].item(), metrics["entropy"].item()
            step_seconds += (spent := time.perf_counter() - window_start)
            rate = window_steps * config.batch_size / spent
            if not np.isfinite(loss):
                raise TrainingDiverged.at(trainer.now, f"the loss is {loss}")
            if logged:
                line = recorder.log.write(
                    step=trainer.now,
                    epoch=trainer.now / trainer.steps_per_epoch,
                    loss=loss,
                    entropy=h,
                    usage=entropy(metrics["mean_target"]).item(),
                    kl=loss - h,
                    lr=trainer.schedules.lr[trainer.now - 1],
                    images_per_second=rate,
                    seconds=recorder.seconds(),
                )
                for trouble in watch.see(line):
                    distributed.note(trouble)
                bar.set_postfix_str(f"loss {loss:.3f} H {h:.3f} KL {loss - h:.3f} {rate:.0f} img/s")
            recorder.look(stop)
            if at_epoch_end or late:
                recorder.save()
            if late:
                break
            window_start, window_steps = time.perf_counter(), 0
    if stopped := stop.agreed():
        recorder.save()
    recorder.log.close()
    if stopped:
        distributed.wait_for_all()  # none says that it is saved before it is
        raise RunStopped(_how_to_go_on(stop, trainer, recorder.folder, device), stop.number)
    done = trainer.now - first
    return TrainResult(
        config=config,
        backbone=copy.deepcopy(trainer.teacher.backbone),
        history=recorder.log.lines,
        finished=trainer.now == total,
        seconds=recorder.seconds(),
        images_per_second=done * config.batch_size / step_seconds if done else 0.0,
    )


def _how_to_go_on(stop: StopRequest, trainer: Trainer, out: Path | None, device: str | None) -> str:
    done = f"stopped by {stop.by} after step {trainer.now:,} of {trainer.total_steps:,}"
    if out is None:
        return f"{done}; nothing was saved, as the run has no folder"
    flags = [] if device is None else ["--device", device]
    flags += trainer.engine.flags(trainer.device)
    command = ["minidino", "train", "--out", shlex.quote(str(out)), *flags, "--resume"]
    return f"{done}, and saved; go on with: {' '.join(command)}"


def time_is_up(seconds: float, minutes: float) -> bool:
    """Has a run of so many seconds used up its minutes?"""
    return seconds > 60 * minutes
