"""One training step: the place where all the pieces meet.

``Trainer.step`` is DINO on one screen: crops, student and teacher, loss, center, clipping,
optimizer, EMA. Every source of chance is seeded by the step, so a step depends on nothing but
the state before it and its images. Nothing in it reads a number back from the device, so the
host runs ahead and the device never waits.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from minidino.collapse import entropy
from minidino.config import TrainConfig
from minidino.convnet import ConvNet, by_its_batch
from minidino.crops import MultiCrop
from minidino.engine import distributed
from minidino.engine.batch_norm import BatchNorm
from minidino.engine.gradients import Gradients
from minidino.engine.memory import widest_activation
from minidino.engine.settings import Engine
from minidino.head import DINOHead
from minidino.loss import DINOLoss
from minidino.schedules import cosine_schedule, linear_warmup
from minidino.teacher import update_teacher
from minidino.vit import VisionTransformer


def build_backbone(config: TrainConfig, drop_path_rate: float = 0.0) -> VisionTransformer | ConvNet:
    """The ViT or ResNet that a configuration describes, with fresh weights."""
    if config.backbone != "vit":
        return ConvNet(config.backbone, config.global_size)
    return VisionTransformer(**vit_sizes(config), drop_path_rate=drop_path_rate)


def vit_sizes(config: TrainConfig) -> dict[str, int]:
    """What a configuration says of its ViT."""
    names = ("patch_size", "embed_dim", "depth", "num_heads")
    return {"image_size": config.global_size} | {name: getattr(config, name) for name in names}


class Network(nn.Module):
    """Backbone and head: what the student is, and the teacher too."""

    build_backbone = staticmethod(build_backbone)

    def __init__(self, config: TrainConfig):
        super().__init__()
        c = config
        self.backbone = self.build_backbone(c, c.drop_path_rate)
        self.head = DINOHead(
            self.backbone.embed_dim,
            c.out_dim,
            c.hidden_dim,
            c.bottleneck_dim,
            c.norm_last_layer,
            BatchNorm if c.head_batch_norm else None,
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
            cls._momenta(c, total, steps_per_epoch),
            linear_warmup(c.warmup_teacher_temp, c.teacher_temp, total, temp_warmup).tolist(),
        )

    @staticmethod
    def _momenta(c: TrainConfig, total: int, steps_per_epoch: int) -> list[float]:
        if c.teacher == "copy":
            return [0.0] * total
        if c.teacher == "epoch":
            return [float((t + 1) % steps_per_epoch != 0) for t in range(total)]
        return cosine_schedule(c.teacher_momentum, c.teacher_momentum_end, total).tolist()


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


def objective(
    teacher: Network, criterion: DINOLoss, student: nn.Module, temp: Tensor, *views: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of some images' views, global ones first, and the teacher's raw logits."""
    with torch.no_grad():
        teacher_logits = teacher(views[0])  # global views only
    return criterion.score(student(*views), teacher_logits, temp), teacher_logits


class Trainer:
    """Student, teacher and everything that moves them; here they learn DINO.

    The rivals (``minidino/rivals/``) put their own pieces in the place of ``_networks``,
    ``_criterion``, ``objective`` and ``step``; successors (``minidino/successors/``) add to them.

    Args:
        config: the settings of the run.
        steps_per_epoch: batches in the data.
        device: where the networks are.
        engine: how a step is computed; by default what suits the device.
        n_classes: of the labels that a step is given; 0 for pictures without.
        backbone: what both networks begin with, as wide as ``config`` says; by default a fresh one.

    Raises:
        UserError: if the batch does not divide into the parts that the engine asks for.
    """

    objective = staticmethod(objective)
    uses_labels = False

    def __init__(
        self,
        config: TrainConfig,
        steps_per_epoch: int,
        device: torch.device,
        engine: Engine | None = None,
        n_classes: int = 0,
        backbone: nn.Module | None = None,
    ):
        c = config
        self.config, self.steps_per_epoch, self.device = config, steps_per_epoch, device
        self.engine, self.n_classes = engine or Engine.of(device), n_classes
        torch.default_generator.manual_seed(c.seed)  # of the CPU, where networks are made
        networks = self._networks()
        for network in dict.fromkeys(networks if backbone is not None else ()):
            begin_with(network, backbone, c.drop_path_rate)
        self.student, self.teacher = (network.to(device) for network in networks)
        self.criterion = self._criterion().to(device)
        self.crops = MultiCrop(
            c.global_size, c.local_size, c.n_local, c.global_scale, c.local_scale, c.appearance
        )
        self.gradients = Gradients(
            # Not a method: a cycle of references would keep a trainer, and its threads, for ever.
            partial(self.objective, self.teacher, self.criterion),
            self.student,
            self.engine,
            device,
            c.batch_size // distributed.world_size(),
            widest_activation(c),
            whole=c.compares_images,
        )
        self.parameters = [p for p in self.student.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameter_groups(self.student), fused=True)
        self.schedules = Schedules.of(c, steps_per_epoch)
        self.total_steps = c.epochs * steps_per_epoch
        self.now = 0  # steps taken

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Student and teacher, of the same weights; only the student will be trained."""
        student = self._network()
        return student, by_its_batch(copy.deepcopy(student).requires_grad_(False))

    def _network(self) -> nn.Module:
        return Network(self.config)

    def _criterion(self) -> nn.Module:
        c = self.config
        return DINOLoss(c.out_dim, c.student_temp, c.center_momentum, c.pair_loss == "mse")

    def step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """One update from uint8 images (B, 3, S, S): the batch, or this process's share of it.

        Args:
            labels: int64 (B,); DINO looks away.

        Returns:
            ``loss``, ``entropy``, the mean H(teacher) in nats, and ``mean_target`` (K,), of these
            images and left on the device, so that a step never waits for it.
        """
        config, t = self.config, self.now
        self._set_schedules(t)
        temp = torch.full((), self.schedules.teacher_temp[t], device=self.device)
        chance = torch.Generator().manual_seed(seed_of(config.seed, "step", t))
        part = (distributed.rank(), distributed.world_size())

        views = self.crops(images, chance, part)  # (2 B, 3, G, G) and (n_local B, 3, L, L)
        # Backward through the student, which sees all views, and not the teacher, which sees two.
        loss, teacher_logits = self.gradients(
            views, len(images), temp, seed_of(config.seed, "drop path", t)
        )
        seen = self._seen(teacher_logits, temp)
        self.criterion.update_center(teacher_logits)  # after the loss, over the whole batch
        self._descend(t, frozen_at_first=self.student.head.last_layer)
        update_teacher(self.teacher, self.student, self.schedules.teacher_momentum[t])
        self.now += 1
        return {"loss": loss} | seen

    def _descend(self, t: int, frozen_at_first: nn.Module | None = None) -> None:
        """Clip the gradients, and let the optimizer step."""
        scaler = self.gradients.scaler  # does nothing but in fp16
        scaler.unscale_(self.optimizer)
        if self.config.clip_grad:
            clip_gradients(self.parameters, self.config.clip_grad)
        if frozen_at_first and t < self.config.freeze_last_layer_epochs * self.steps_per_epoch:
            for p in frozen_at_first.parameters():
                p.grad = None
        scaler.step(self.optimizer)
        scaler.update()

    def _set_schedules(self, t: int) -> None:
        decayed, plain = self.optimizer.param_groups
        decayed["lr"] = plain["lr"] = self.schedules.lr[t]
        decayed["weight_decay"] = self.schedules.weight_decay[t]

    def _seen(self, teacher_logits: Tensor, temp: Tensor) -> dict[str, Tensor]:
        targets = self.criterion.targets(teacher_logits, temp)
        return {"entropy": entropy(targets).mean(), "mean_target": targets.mean(dim=0)}

    def state_dict(self) -> dict:
        """All that a step depends on; ``run/checkpoint.py`` writes it and goes on from it."""
        return {
            "config": self.config.to_dict(),
            "step": self.now,
            "steps_per_epoch": self.steps_per_epoch,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "loss": self.criterion.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.gradients.scaler.state_dict(),
        }


def begin_with(network: nn.Module, backbone: nn.Module, drop_path_rate: float) -> None:
    """Put a copy of a trained backbone in the place of a network's fresh one."""
    fresh, copied = network.backbone, copy.deepcopy(backbone)
    if fresh.training:
        copied.train()
    else:  # the teacher's
        by_its_batch(copied)
    copied.requires_grad_(next(fresh.parameters()).requires_grad)
    blocks = getattr(copied, "blocks", ())
    for block, rate in zip(blocks, torch.linspace(0, drop_path_rate, len(blocks)), strict=True):
        block.drop_path.rate = rate.item()
    network.backbone = copied


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
