"""A training run: the steps over the data, logged, evaluated, saved, and resumed exactly."""

import copy
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from minidino import distributed
from minidino.batch import advised, largest_batch
from minidino.checkpoint import load_checkpoint, save_checkpoint
from minidino.collapse import entropy
from minidino.config import TrainConfig
from minidino.data import Pictures, StreamedFolder, load_data
from minidino.engine import Engine
from minidino.errors import UserError
from minidino.monitor import KnnMonitor, MetricsLog, moments, save_snapshot
from minidino.provenance import provenance
from minidino.trainer import Trainer, batch_indices
from minidino.vit import VisionTransformer


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


class TrainingDiverged(UserError):
    """The loss is no longer a number."""


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
        resume: go on from ``out/checkpoint.pt`` if it is there.
        minutes: stop after so long, saving; ``resume`` goes on from there.
        fit: let a fresh run's epochs follow from ``minutes`` and the speed of this machine:
            "fill" the time, or only "shorten" what would not fit. The result's config tells.
        device: "cpu", "cuda", ...; by default CUDA where there is one.
        progress: show a bar.
        engine: how steps are computed; by default compiled on CUDA and plain on a CPU.
        batch: "auto" gives a fresh run the largest batch that the device holds. The result's
            config tells it, and the learning rate follows.

    Raises:
        UserError: for data or an output folder that cannot be used, and if memory runs out.
        TrainingDiverged: if the loss stops being finite; the last checkpoint stays.
    """
    began = time.perf_counter()
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UserError(f"minutes is {minutes}; it must be positive, and an end")
    where = pick_device(device)
    # The main process alone reads and writes the run's files, and its settings count for all.
    out = None if out is None or not distributed.is_main() else Path(out)
    mine = (config, minutes, fit, _saved_state(out, resume))
    config, minutes, fit, saved = distributed.from_main(mine)
    distributed.check_batch(config.batch_size)
    data = load_data(
        config.data, "train", config.image_size, max_images=config.max_images, seed=config.seed
    )
    distributed.check_same(device=where.type, images=len(data))
    if len(data) < (2 if batch == "auto" else config.batch_size):
        raise UserError(
            f"{len(data)} image{'s' * (len(data) != 1)} in {config.data}, fewer than one batch of "
            f"{config.batch_size}; add pictures or lower --batch-size"
        )
    if out is not None:
        _make_folder(out)
    engine, data = engine or Engine.of(where), data.to(where)
    with torch.random.fork_rng():  # the caller's random state is left as it was
        if batch == "auto" and saved is None:
            config = replace(config, batch_size=largest_batch(config, engine, where, len(data)))
            distributed.note(f"the largest batch that fits: {config.batch_size} images")
        if fit is not None and minutes is not None and saved is None:
            left = minutes - (time.perf_counter() - began) / 60
            epochs = epochs_that_fit(config, len(data), left, where, engine)
            if fit == "fill" or epochs < config.epochs:
                config = config.with_epochs(epochs)
                distributed.note(
                    f"epochs that fit in {minutes:g} minutes on this machine: {epochs}"
                )
        trainer = Trainer(config, len(data) // config.batch_size, where, engine)
        if saved is not None:
            trainer.load_state_dict(saved, str(out and out / "checkpoint.pt"))
        return _run(trainer, data, out, saved, minutes, progress, began)


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


def _saved_state(out: Path | None, resume: bool) -> dict | None:
    """The state to go on from, if there is one; nothing is overwritten without ``resume``."""
    if out is None or not (out / "checkpoint.pt").exists():
        return None
    if not resume:
        raise UserError(f"{out} already holds a training run; add --resume, or change --out")
    return load_checkpoint(out)


def _make_folder(out: Path) -> None:
    try:
        (out / "snapshots").mkdir(parents=True, exist_ok=True)
        (out / "metrics.jsonl").touch()
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None


def _run(
    trainer: Trainer,
    data: Pictures | StreamedFolder,
    out: Path | None,
    saved: dict | None,
    minutes: float | None,
    progress: bool,
    began: float,
) -> TrainResult:
    config, total = trainer.config, trainer.total_steps
    log = MetricsLog(out, trainer.now)
    seconds_before, steps_before = (saved or {}).get("seconds", 0.0), trainer.now
    if out is not None:
        text = json.dumps({"config": config.to_dict()} | provenance(trainer.device), indent=2)
        (out / "config.json").write_text(text + "\n")
    monitor = KnnMonitor.of(config, data) if config.knn_evals else None
    distributed.check_same(labelled=monitor and len(monitor.bank), val=monitor and len(monitor.val))
    eval_steps = moments(config.knn_evals, total, power=1)
    snapshot_steps = moments(config.snapshots, total, power=2)

    def pause_for_looks() -> None:
        """Evaluations and snapshots due at this step."""
        if monitor is not None and trainer.now in eval_steps:
            knn = monitor(trainer.teacher.backbone)
            log.write(step=trainer.now, knn=knn, labelled=len(monitor.bank))
        if out is not None and trainer.now in snapshot_steps:
            save_snapshot(out, trainer.teacher.backbone, trainer.now)

    def elapsed() -> float:
        return time.perf_counter() - began

    def save() -> None:
        if out is not None:
            state = trainer.state_dict() | {"seconds": seconds_before + elapsed()}
            save_checkpoint(out / "checkpoint.pt", state)

    if trainer.now == 0:
        pause_for_looks()
    step_seconds, window_steps = 0.0, 0
    progress = progress and distributed.is_main()
    bar = tqdm(total=total, initial=trainer.now, unit="step", disable=not progress, desc="training")
    indices = batch_indices(len(data), config.batch_size, config.seed, trainer.now, total)
    window_start = time.perf_counter()
    for images in data.batches(map(distributed.share, indices)):
        metrics = trainer.step(images)
        bar.update()
        window_steps += 1
        at_epoch_end = trainer.now % trainer.steps_per_epoch == 0
        looks = trainer.now in eval_steps or trainer.now in snapshot_steps
        stopping = distributed.any_of(minutes is not None and time_is_up(elapsed(), minutes))
        logged = trainer.now % config.log_every == 0 or trainer.now == total
        if not (at_epoch_end or looks or stopping or logged):
            continue

        # The only places where the host waits for the device.
        metrics = distributed.mean(metrics)
        loss, h = metrics["loss"].item(), metrics["entropy"].item()
        step_seconds += (spent := time.perf_counter() - window_start)
        rate = window_steps * config.batch_size / spent
        if not np.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {trainer.now}; the last checkpoint is kept. Try a "
                f"lower --base-lr, more --warmup-epochs, or a higher --warmup-teacher-temp"
            )
        if logged:
            log.write(
                step=trainer.now,
                epoch=trainer.now / trainer.steps_per_epoch,
                loss=loss,
                entropy=h,
                usage=entropy(metrics["mean_target"]).item(),
                kl=loss - h,
                lr=trainer.schedules.lr[trainer.now - 1],
                images_per_second=rate,
                seconds=seconds_before + elapsed(),
            )
            bar.set_postfix_str(f"loss {loss:.3f} H {h:.3f} KL {loss - h:.3f} {rate:.0f} img/s")
        if looks:
            pause_for_looks()
        if at_epoch_end or stopping:
            save()
        if stopping:
            break
        window_start, window_steps = time.perf_counter(), 0
    bar.close()
    done = trainer.now - steps_before
    log.close()
    return TrainResult(
        config=config,
        backbone=copy.deepcopy(trainer.teacher.backbone),
        history=log.lines,
        finished=trainer.now == total,
        seconds=seconds_before + elapsed(),
        images_per_second=done * config.batch_size / step_seconds if done else 0.0,
    )


def time_is_up(seconds: float, minutes: float) -> bool:
    """Has a run of so many seconds used up its minutes?"""
    return seconds > 60 * minutes
