"""The training loop: the one place where all the pieces meet.

``Trainer.step`` is DINO on one screen: crops, student, teacher, loss, clipping, optimizer,
EMA. ``train`` runs it over the data, logs, evaluates, and saves so that a stopped run goes
on as if nothing had happened: every source of chance is seeded by its step or epoch.
"""

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from minidino.checkpoint import build_backbone, load_checkpoint, load_weights, save_checkpoint
from minidino.collapse import entropy
from minidino.config import TrainConfig
from minidino.crops import MultiCrop
from minidino.data import Pictures, StreamedFolder, load_data
from minidino.errors import UserError
from minidino.evaluate import accuracy, extract_features, knn_predict
from minidino.head import DINOHead
from minidino.loss import DINOLoss
from minidino.provenance import provenance
from minidino.schedules import cosine_schedule, linear_warmup
from minidino.teacher import update_teacher
from minidino.vit import VisionTransformer


class Network(nn.Module):
    """Backbone and head: what the student is, and the teacher too."""

    def __init__(self, config: TrainConfig):
        super().__init__()
        self.backbone = build_backbone(config, config.drop_path_rate)
        self.head = DINOHead(
            config.embed_dim,
            config.out_dim,
            config.hidden_dim,
            config.bottleneck_dim,
            config.norm_last_layer,
        )

    def forward(self, *views: Tensor) -> Tensor:
        """Views of one or more sizes, each (n, 3, H, W) -> logits (sum of n, K), in order."""
        return self.head(torch.cat([self.backbone(v) for v in views]))


@dataclass
class Schedules:
    """One value per optimizer step."""

    lr: list[float]
    weight_decay: list[float]
    teacher_momentum: list[float]
    teacher_temp: list[float]

    @classmethod
    def of(cls, config: TrainConfig, steps_per_epoch: int) -> "Schedules":
        c, total = config, config.epochs * steps_per_epoch

        def steps(epochs: float) -> int:
            return min(round(epochs * steps_per_epoch), total)

        lr = c.base_lr * c.batch_size / 256
        temp_warmup = steps(c.warmup_teacher_temp_epochs)
        return cls(
            cosine_schedule(lr, c.min_lr, total, steps(c.warmup_epochs)).tolist(),
            cosine_schedule(c.weight_decay, c.weight_decay_end, total).tolist(),
            cosine_schedule(c.teacher_momentum, 1.0, total).tolist(),
            linear_warmup(c.warmup_teacher_temp, c.teacher_temp, total, temp_warmup).tolist(),
        )


def parameter_groups(model: nn.Module) -> list[dict]:
    """Biases and norms (1-d parameters) get no weight decay; all else does."""
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    plain = [p for n, p in trained if n.endswith(".bias") or p.ndim <= 1]
    decayed = [p for n, p in trained if not (n.endswith(".bias") or p.ndim <= 1)]
    return [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]


@torch.no_grad()
def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    """Scale down each gradient that is longer than ``max_norm``, each on its own."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    scales = max_norm / (torch.stack(norms) + 1e-6)
    torch._foreach_mul_(gradients, list(scales.clamp(max=1.0).unbind()))


class Trainer:
    """Student, teacher and everything that moves them."""

    def __init__(self, config: TrainConfig, steps_per_epoch: int, device: torch.device):
        self.config, self.steps_per_epoch, self.device = config, steps_per_epoch, device
        torch.manual_seed(config.seed)
        self.student = Network(config).to(device)
        self.teacher = copy.deepcopy(self.student).eval().requires_grad_(False)
        self.criterion = DINOLoss(config.out_dim, config.student_temp, config.center_momentum)
        self.criterion.to(device)
        self.crops = MultiCrop(
            config.global_size,
            config.local_size,
            config.n_local,
            config.global_scale,
            config.local_scale,
            config.appearance,
        )
        self.optimizer = torch.optim.AdamW(parameter_groups(self.student), fused=True)
        self.parameters = [p for p in self.student.parameters() if p.requires_grad]
        self.schedules = Schedules.of(config, steps_per_epoch)
        self.total_steps = config.epochs * steps_per_epoch
        self.now = 0  # steps taken

    def step(self, images: Tensor) -> dict[str, Tensor]:
        """One update from uint8 images (B, 3, S, S); returns loss and H(teacher) on the device."""
        config, t = self.config, self.now
        self._set_schedules(t)
        seed = seed_of(config.seed, "step", t)
        torch.manual_seed(seed)  # drop path
        views = self.crops(images, torch.Generator().manual_seed(seed))

        temp = self.schedules.teacher_temp[t]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            with torch.no_grad():
                teacher_logits = self.teacher(views[0])  # global views only
            student_logits = self.student(*(v for v in views if len(v)))
            teacher_entropy = entropy(self.criterion.targets(teacher_logits, temp)).mean()
            loss = self.criterion(student_logits, teacher_logits, temp)

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip_grad:
            clip_gradients(self.parameters, config.clip_grad)
        if t < config.freeze_last_layer_epochs * self.steps_per_epoch:
            for p in self.student.head.last_layer.parameters():
                p.grad = None
        self.optimizer.step()
        update_teacher(self.teacher, self.student, self.schedules.teacher_momentum[t])
        self.now += 1
        return {"loss": loss.detach(), "entropy": teacher_entropy}

    def _set_schedules(self, t: int) -> None:
        decayed, plain = self.optimizer.param_groups
        decayed["lr"] = plain["lr"] = self.schedules.lr[t]
        decayed["weight_decay"] = self.schedules.weight_decay[t]

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self.now // self.steps_per_epoch

    def state_dict(self) -> dict:
        return {
            "config": self.config.to_dict(),
            "step": self.now,
            "steps_per_epoch": self.steps_per_epoch,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "loss": self.criterion.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict, where: str) -> None:
        """Go on from a saved state.

        Raises:
            UserError: if it is of another network or of data of another size.
        """
        if state["steps_per_epoch"] != self.steps_per_epoch:
            raise UserError(
                f"{where} was made with {state['steps_per_epoch']} steps an epoch, this data "
                f"gives {self.steps_per_epoch}; resume on the same data and batch size"
            )
        load_weights(self.student, state["student"], where)
        load_weights(self.teacher, state["teacher"], where)
        load_weights(self.criterion, state["loss"], where)
        self.optimizer.load_state_dict(state["optimizer"])
        self.now = state["step"]


def seed_of(seed: int, kind: str, index: int) -> int:
    """A seed for one purpose at one moment, unrelated to those of other moments."""
    words = [seed, *kind.encode(), index]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def batch_indices(n: int, batch_size: int, seed: int, start: int, stop: int) -> Iterator[Tensor]:
    """Indices of the images of steps ``start`` to ``stop``: a new permutation every epoch."""
    steps_per_epoch, epoch, order = n // batch_size, None, None
    for step in range(start, stop):
        if step // steps_per_epoch != epoch:
            epoch = step // steps_per_epoch
            generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
            order = torch.randperm(n, generator=generator)
        first = step % steps_per_epoch * batch_size
        yield order[first : first + batch_size]


# ---------------------------------------------------------------- the run


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
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f'no device "{name}" on this machine; try --device cpu') from None
    return device


def train(
    config: TrainConfig,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    minutes: float | None = None,
    fit: Literal["fill", "shorten"] | None = None,
    device: str | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train DINO.

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

    Raises:
        UserError: for data or an output folder that cannot be used.
        TrainingDiverged: if the loss stops being finite; the last checkpoint stays.
    """
    began = time.perf_counter()
    where = pick_device(device)
    out = None if out is None else Path(out)
    saved = _prepare_folder(out, resume)
    data = load_data(
        config.data, "train", config.image_size, max_images=config.max_images, seed=config.seed
    )
    if len(data) < config.batch_size:
        raise UserError(
            f"{len(data)} image{'s' * (len(data) != 1)} in {config.data}, fewer than one batch of "
            f"{config.batch_size}; add pictures or lower --batch-size"
        )
    with torch.random.fork_rng():  # the caller's random state is left as it was
        if fit is not None and minutes is not None and saved is None:
            epochs = epochs_that_fit(config, len(data), minutes, where)
            if fit == "fill" or epochs < config.epochs:
                config = replace(config, epochs=epochs)
                tqdm.write(f"{epochs} epochs fit in {minutes:g} minutes on this machine")
        trainer = Trainer(config, len(data) // config.batch_size, where)
        if saved is not None:
            trainer.load_state_dict(saved, str(out / "checkpoint.pt"))
        return _run(trainer, data.to(where), out, saved, minutes, progress, began)


def epochs_that_fit(
    config: TrainConfig, n_images: int, minutes: float, device: torch.device
) -> int:
    """How many epochs this machine trains in ``minutes``, from timing a few steps; at least 1.

    A tenth of the time is left for evaluations and for the machine's moods.
    """
    size = (config.batch_size, 3, config.image_size, config.image_size)
    images = torch.randint(0, 256, size, dtype=torch.uint8, device=device)
    trainer = Trainer(replace(config, epochs=1), steps_per_epoch=100, device=device)
    timings = []
    while len(timings) < 8 or (sum(timings) < 4 and len(timings) < 100):
        began = time.perf_counter()
        trainer.step(images)["loss"].item()
        timings.append(time.perf_counter() - began)
    per_epoch = float(np.median(timings[3:])) * (n_images // config.batch_size)
    return max(1, int(0.9 * 60 * minutes / per_epoch))


def _prepare_folder(out: Path | None, resume: bool) -> dict | None:
    """Make the folder; the saved state if there is one to go on from."""
    if out is None:
        return None
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "snapshots").mkdir(exist_ok=True)
        (out / "metrics.jsonl").touch()
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    if not (out / "checkpoint.pt").exists():
        return None
    if not resume:
        raise UserError(
            f"{out} already holds a training run; add --resume, or choose another --out"
        )
    return load_checkpoint(out)


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
    eval_steps = _moments(config.knn_evals, total, power=1)
    snapshot_steps = _moments(config.snapshots, total, power=2) if out is not None else set()

    def pause_for_looks() -> None:
        """Evaluations and snapshots due at this step."""
        if monitor is not None and trainer.now in eval_steps:
            log.write(step=trainer.now, knn=monitor(trainer.teacher.backbone))
        if trainer.now in snapshot_steps:
            save_snapshot(out, trainer.teacher.backbone, trainer.now)

    def elapsed() -> float:
        return time.perf_counter() - began

    def save() -> None:
        if out is not None:
            state = trainer.state_dict() | {"seconds": seconds_before + elapsed()}
            save_checkpoint(out / "checkpoint.pt", state)

    step_seconds, window_start, window_steps = 0.0, time.perf_counter(), 0
    rate = 0.0
    if trainer.now == 0:
        pause_for_looks()
    bar = tqdm(total=total, initial=trainer.now, unit="step", disable=not progress, desc="training")
    indices = batch_indices(len(data), config.batch_size, config.seed, trainer.now, total)
    window_start = time.perf_counter()
    for images in data.batches(indices):
        metrics = trainer.step(images)
        bar.update()
        window_steps += 1
        at_epoch_end = trainer.now % trainer.steps_per_epoch == 0
        looks = trainer.now in eval_steps or trainer.now in snapshot_steps
        stopping = minutes is not None and time_is_up(elapsed(), minutes)
        logged = trainer.now % config.log_every == 0 or trainer.now == total
        if not (at_epoch_end or looks or stopping or logged):
            continue

        # The only places where the host waits for the device.
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


def _moments(count: int, total: int, power: float) -> set[int]:
    """``count`` steps from 0 to ``total``; with a higher power, closer together at the start."""
    if count < 2:
        return {total} if count else set()
    return {round(total * (i / (count - 1)) ** power) for i in range(count)}


def save_snapshot(out: Path, backbone: VisionTransformer, step: int) -> None:
    """The teacher's backbone at one moment, in half precision."""
    weights = {k: v.half().contiguous().cpu() for k, v in backbone.state_dict().items()}
    save_file(weights, out / "snapshots" / f"step_{step:07d}.safetensors")


class MetricsLog:
    """``metrics.jsonl``: a line per logged step, none doubled and none lost by a resume."""

    def __init__(self, out: Path | None, resumed_at: int):
        self.lines: list[dict] = []
        self.file = None
        if out is None:
            return
        path = out / "metrics.jsonl"
        if resumed_at and path.exists():
            kept = []
            for line in path.read_text().splitlines():
                try:
                    kept.append(json.loads(line))
                except json.JSONDecodeError:
                    break  # cut short when the run was killed
            # Steps after the checkpoint will be taken, and logged, again.
            self.lines = [line for line in kept if line["step"] <= resumed_at]
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        self.file = path.open("a")

    def write(self, **values: float) -> None:
        self.lines.append(values)
        if self.file is not None:
            self.file.write(json.dumps(values) + "\n")
            self.file.flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


class KnnMonitor:
    """k-NN on the validation images, as a curve to watch; small, so that it costs little."""

    def __init__(self, bank: Pictures, val: Pictures):
        self.bank, self.val = bank, val

    @classmethod
    def of(cls, config: TrainConfig, data: Pictures | StreamedFolder) -> "KnnMonitor | None":
        """None where the data has no labels or nothing is held out."""
        if data.labels is None:
            return None
        try:
            bank = load_data(
                config.data, "labelled", config.eval_size, max_images=2000, seed=config.seed
            )
            val = load_data(config.data, "val", config.eval_size, max_images=500)
        except UserError as error:
            tqdm.write(f"no k-NN during training: {error}")
            return None
        return cls(bank, val)

    def __call__(self, backbone: VisionTransformer) -> float:
        bank, val = (extract_features(backbone, p.images) for p in (self.bank, self.val))
        return accuracy(knn_predict(bank, self.bank.labels, val), self.val.labels)
