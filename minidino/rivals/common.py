"""What DINO's rivals share: a backbone with a projection, and a step that is not DINO's."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.config import TrainConfig
from minidino.engine import distributed
from minidino.engine.batch_norm import BatchNorm
from minidino.teacher import update_teacher
from minidino.trainer import Trainer, build_backbone, seed_of


def mlp(*widths: int, batch_norm: bool = False) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them, and batch norm before each ReLU."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), *([BatchNorm(b)] if batch_norm else []), nn.ReLU()]
    return nn.Sequential(*layers[: -2 if batch_norm else -1])


class Projector(nn.Module):
    """A backbone and an MLP above it; ``head`` maps the feature to ``bottleneck_dim`` numbers."""

    def __init__(self, config: TrainConfig, hidden_layers: int = 1, batch_norm: bool = False):
        super().__init__()
        c = config
        self.backbone = build_backbone(c, c.drop_path_rate)
        hidden = [c.hidden_dim] * hidden_layers
        self.head = mlp(self.backbone.embed_dim, *hidden, c.bottleneck_dim, batch_norm=batch_norm)

    def forward(self, *views: Tensor) -> Tensor:
        """Views of one or more sizes, each (n, 3, H, W) -> (sum of n, bottleneck_dim), in order."""
        return self.head(torch.cat([self.backbone(v) for v in views]))


class Rival(Trainer):
    """A trainer whose objective is a rival's: a file each says which.

    Without a momentum encoder the teacher is the student itself: what is evaluated and saved
    under that name is the one network there is.
    """

    has_momentum_encoder = False

    def step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """As DINO's; returns ``loss`` and ``spread``.

        Spread is 1 where the rows that the loss compares point in all directions, and 0 where
        they are all the same.
        """
        t = self.now
        self._set_schedules(t)
        temp = torch.full((), self.config.student_temp, device=self.device)
        chance = torch.Generator().manual_seed(seed_of(self.config.seed, "step", t))
        part = (distributed.rank(), distributed.world_size())

        views = self._shown(self.crops(images, chance, part), labels)
        seed = seed_of(self.config.seed, "drop path", t)
        loss, rows = self.gradients(views, len(images), temp, seed)
        self._after_loss(rows)
        self._descend(t, frozen_at_first=self._frozen_at_first())
        if self.has_momentum_encoder:
            update_teacher(self.teacher, self.student, self.schedules.teacher_momentum[t])
        self._after_step()
        self.now += 1
        return {"loss": loss, "spread": spread(rows)}

    def _shown(self, views: tuple[Tensor, ...], labels: Tensor | None) -> tuple[Tensor, ...]:
        """What the objective is given of each image, crop-major."""
        return views

    def _after_loss(self, rows: Tensor) -> None:
        """Remember the batch's rows, if that is part of the method."""

    def _after_step(self) -> None:
        """Bring weights back to where the method wants them."""

    def _frozen_at_first(self) -> nn.Module | None:
        return None


def spread(rows: Tensor) -> Tensor:
    """(N, D) -> a scalar: sqrt(D) times the standard deviation of unit rows, mean over D.

    With several processes the rows are those of all of them.
    """
    unit = F.normalize(distributed.gather(rows.float()), dim=1)
    return unit.std(dim=0, correction=0).mean() * rows.shape[1] ** 0.5
