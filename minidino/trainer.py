"""One training step: the place where all the pieces meet.

``Trainer.step`` is DINO on one screen: crops, student, teacher, loss, center, clipping,
optimizer, EMA. Every source of chance is seeded by the step, so a step depends on nothing but
the state before it and its images. Nothing in it reads a number back from the device, so the
host runs ahead and the device never waits.
"""

import copy
import itertools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from minidino import distributed
from minidino.chance import WholeBatch, part_by_part
from minidino.checkpoint import build_backbone, load_weights
from minidino.collapse import entropy
from minidino.config import TrainConfig
from minidino.crops import MultiCrop
from minidino.engine import Compiled, Engine, recompute_blocks, split_images
from minidino.errors import UserError
from minidino.head import DINOHead
from minidino.loss import DINOLoss
from minidino.memory import widest_activation
from minidino.parallel import Replica, SideBySide, replicas, sum_gradients
from minidino.schedules import cosine_schedule, linear_warmup
from minidino.teacher import update_teacher


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


def score(
    teacher: Network, criterion: DINOLoss, student: nn.Module, temp: Tensor, *views: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of some images' views, global ones first, and the teacher's raw logits."""
    with torch.no_grad():
        teacher_logits = teacher(views[0])  # global views only
    return criterion.score(student(*views), teacher_logits, temp), teacher_logits


class Trainer:
    """Student, teacher and everything that moves them."""

    def __init__(
        self,
        config: TrainConfig,
        steps_per_epoch: int,
        device: torch.device,
        engine: Engine | None = None,
    ):
        self.config, self.steps_per_epoch, self.device = config, steps_per_epoch, device
        self.engine = engine or Engine.of(device)
        images = config.batch_size // distributed.world_size()
        self.engine.check_batch(images)
        self.side_by_side = SideBySide(self.engine.threads(images, device))
        torch.manual_seed(config.seed)
        self.student = Network(config).to(device)
        self.teacher = copy.deepcopy(self.student).eval().requires_grad_(False)
        if self.engine.checkpoint_activations:
            recompute_blocks(self.student.backbone.blocks)
        self.replicas = self._replicas(self.side_by_side.n)
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
        n_parameters = sum(p.numel() for p in self.parameters)
        # Not a method: a cycle of references would keep a trainer, and its threads, after its use.
        scored = partial(score, self.teacher, self.criterion)
        self.score = Compiled(scored, self.engine, n_parameters)
        self.schedules = Schedules.of(config, steps_per_epoch)
        self.total_steps = config.epochs * steps_per_epoch
        self.now = 0  # steps taken

    def _replicas(self, n: int) -> list[Replica]:
        if n > 1:
            return replicas(self.student, n)
        begin = part_by_part
        if not self.engine.compile:
            chance = WholeBatch(torch.default_generator)
            chance.attach(self.student)
            begin = chance.begin
        return [Replica(distributed.replicate(self.student, self.device), begin)]

    def step(self, images: Tensor) -> dict[str, Tensor]:
        """One update from uint8 images (B, 3, S, S): the batch, or this process's share of it.

        Returns:
            ``loss``, ``entropy``, the mean H(teacher) in nats, and ``mean_target`` (K,), of these
            images and left on the device, so that a step never waits for it.
        """
        config, t = self.config, self.now
        self._set_schedules(t)
        chance = torch.Generator().manual_seed(seed_of(config.seed, "step", t))
        views = self.crops(images, chance, part=(distributed.rank(), distributed.world_size()))
        # A tensor on the device: as a number it would be compiled in, anew at every step.
        temp = torch.full((), self.schedules.teacher_temp[t], device=self.device)
        loss, teacher_logits = self.score.attempt(
            self._gradients, views, len(images), temp, seed_of(config.seed, "drop path", t)
        )
        targets = self.criterion.targets(teacher_logits, temp)
        seen = {"entropy": entropy(targets).mean(), "mean_target": targets.mean(dim=0)}
        self.criterion.update_center(teacher_logits)  # after the scores, over the whole batch
        if config.clip_grad:
            clip_gradients(self.parameters, config.clip_grad)
        if t < config.freeze_last_layer_epochs * self.steps_per_epoch:
            for p in self.student.head.last_layer.parameters():
                p.grad = None
        self.optimizer.step()
        update_teacher(self.teacher, self.student, self.schedules.teacher_momentum[t])
        self.now += 1
        return {"loss": loss} | seen

    def _gradients(
        self, views: tuple[Tensor, Tensor], n_images: int, temp: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Leave the mean loss's gradients in the student, part of the batch by part.

        Returns:
            The loss, and the teacher's raw logits of the whole batch.
        """
        kind, cuda = self.device.type, self.device.type == "cuda"
        # Parts that a replica takes in turn.
        each = self.engine.pieces(n_images, self.device, widest_activation(self.config))
        views = tuple(v for v in views if len(v))
        parts = split_images(views, each * len(self.replicas), n_images)
        before, of = (len(parts) * n for n in (distributed.rank(), distributed.world_size()))
        self.student.zero_grad(set_to_none=True)

        def learn(r: int) -> list[tuple[Tensor, Tensor]]:
            replica, scored = self.replicas[r], []
            replica.network.zero_grad(set_to_none=True)
            for i in range(r * each, (r + 1) * each):
                replica.begin(seed, (before + i, of), n_images // len(parts))
                with distributed.adding_up(replica.network, more=i < (r + 1) * each - 1):
                    with torch.autocast(kind, torch.bfloat16, enabled=cuda):
                        loss, teacher_logits = self.score(replica.network, temp, *parts[i])
                    (loss / len(parts)).backward()
                scored.append((loss.detach(), teacher_logits))
            return scored

        scored = itertools.chain.from_iterable(self.side_by_side.map(learn))
        losses, teacher_logits = zip(*scored, strict=True)
        sum_gradients(self.student, self.replicas)
        return torch.stack(losses).mean(), torch.cat(teacher_logits)

    def _set_schedules(self, t: int) -> None:
        decayed, plain = self.optimizer.param_groups
        decayed["lr"] = plain["lr"] = self.schedules.lr[t]
        decayed["weight_decay"] = self.schedules.weight_decay[t]

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
            UserError: if it is of another network or of data of another size, or lacks a part.
        """
        try:
            self._load(state, where)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise UserError(
                f"{where} is not what a run goes on from: {type(error).__name__} {error}; start "
                "anew with another --out"
            ) from None

    def _load(self, state: dict, where: str) -> None:
        if state["steps_per_epoch"] != self.steps_per_epoch:
            raise UserError(
                f"{where} was made with {state['steps_per_epoch']} steps an epoch, this data "
                f"gives {self.steps_per_epoch}; resume on the same data and batch size"
            )
        load_weights(self.student, state["student"], where)
        load_weights(self.teacher, state["teacher"], where)
        load_weights(self.criterion, state["loss"], where)
        self.optimizer.load_state_dict(state["optimizer"])
        self.now = operator.index(state["step"])
        if not 0 <= self.now <= self.total_steps:
            raise ValueError(f"step {self.now} of {self.total_steps}")


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
