"""DINO with pieces of its successors: where the files of this room meet one training step.

Crops, teacher, optimizer and all else stay as they are in ``minidino/trainer.py``. A piece adds a
term to the loss, or changes how targets are made.
"""

from functools import partial

import torch
from torch import Tensor, nn

from minidino import trainer
from minidino.config import TrainConfig
from minidino.engine.settings import Engine
from minidino.loss import DINOLoss
from minidino.rivals import make_trainer
from minidino.successors.backbone import build_backbone
from minidino.successors.koleo import koleo
from minidino.successors.sinkhorn import SinkhornLoss


class Network(trainer.Network):
    """Backbone and head; what it is asked for beside the logits comes with them."""

    build_backbone = staticmethod(build_backbone)

    def forward(self, globals_: Tensor, *locals_: Tensor) -> tuple[Tensor, Tensor]:
        """Views, each (n, 3, H, W) -> logits (sum of n, K), [CLS] of the global ones (n, D)."""
        cls = self.backbone(globals_)
        features = torch.cat([cls, *(self.backbone(v) for v in locals_)])
        return self.head(features), cls


def objective(
    config: TrainConfig,
    teacher: Network,
    criterion: DINOLoss,
    student: nn.Module,
    temp: Tensor,
    *views: Tensor,
) -> tuple[Tensor, Tensor]:
    """DINO's loss and what each piece adds to it, (terms,); the teacher's raw logits."""
    with torch.no_grad():
        teacher_logits, _ = teacher(views[0])
    logits, cls = student(*views)
    terms = [criterion.score(logits, teacher_logits, temp)]
    if config.koleo:  # as the official code: the sum over both views
        terms.append(config.koleo * sum(map(koleo, cls.chunk(2))))
    return torch.stack(terms), teacher_logits


class SuccessorTrainer(trainer.Trainer):
    """DINO with the pieces that ``config`` asks for; arguments and errors as ``Trainer``'s."""

    def __init__(self, config: TrainConfig, *args, **kwargs):
        self.objective = partial(objective, config)
        # A nearest neighbour, or an equal share, is one among all images.
        self.sees_whole_batch = bool(config.koleo) or config.centering == "sinkhorn"
        self.terms = [name for name in ("koleo",) if getattr(config, name)]
        super().__init__(config, *args, **kwargs)

    def _network(self) -> nn.Module:
        return Network(self.config)

    def _criterion(self) -> nn.Module:
        c = self.config
        kind = SinkhornLoss if c.centering == "sinkhorn" else DINOLoss
        return kind(c.out_dim, c.student_temp, c.center_momentum, c.pair_loss == "mse")

    def step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """As DINO's; returns each added term by its name, too, and ``loss`` is the sum of all."""
        found = super().step(images, labels)
        _, *added = terms = found["loss"]
        return found | {"loss": terms.sum()} | dict(zip(self.terms, added, strict=True))


def trainer_for(
    config: TrainConfig,
    steps_per_epoch: int,
    device: torch.device,
    engine: Engine | None = None,
    n_classes: int = 0,
) -> trainer.Trainer:
    """The trainer of a configuration: DINO, a rival, or DINO with pieces of its successors."""
    make = SuccessorTrainer if config.pieces else make_trainer
    return make(config, steps_per_epoch, device, engine, n_classes)
