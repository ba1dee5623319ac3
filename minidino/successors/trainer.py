"""DINO with pieces of its successors: where the files of this room meet one training step.

Crops, teacher, optimizer and all else stay as they are in ``minidino/trainer.py``. A piece changes
the backbone or how targets are made, or adds a term to the loss.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from minidino import trainer
from minidino.config import TrainConfig
from minidino.head import DINOHead
from minidino.successors.backbone import build_backbone
from minidino.successors.criterion import Criterion
from minidino.successors.ibot import MaskedCrops, at, hidden_patches, see_masked


class Seen(NamedTuple):
    """What a network makes of an image's views."""

    logits: Tensor  # (views * B, K)
    tokens: Tensor  # (2 B, 1 + N, D) of the global views, or (2 B, 1, D) if nobody asks for more
    patch_logits: Tensor | None  # (B, M, K) of the hidden patches


class Network(trainer.Network):
    """Backbone and head; for iBOT a second head, and the token in the place of hidden patches."""

    build_backbone = staticmethod(build_backbone)

    def __init__(self, config: TrainConfig):
        super().__init__(config)
        self.whole = bool(config.ibot or config.gram)
        if config.ibot:
            c, dim = config, self.backbone.embed_dim
            sizes = (c.out_dim, c.hidden_dim, c.bottleneck_dim, c.norm_last_layer)
            self.patch_head = DINOHead(dim, *sizes)
            self.mask_token = nn.Parameter(torch.zeros(1, dim))

    def forward(
        self, globals_: Tensor, *locals_: Tensor, masks: Tensor | None = None, hide: bool = False
    ) -> Seen:
        """Views, each (n, 3, H, W), and masks (2 B, N) of the global ones, to hide or to know."""
        if hide and masks is not None:
            tokens = see_masked(self.backbone, globals_, masks, self.mask_token)
        elif self.whole:
            tokens = self.backbone.forward_features(globals_)
        else:
            tokens = self.backbone(globals_)[:, None]
        logits = self.head(torch.cat([tokens[:, 0], *(self.backbone(v) for v in locals_)]))
        if masks is None:
            return Seen(logits, tokens, None)
        index, _ = hidden_patches(masks)
        return Seen(logits, tokens, self.patch_head(at(tokens[:, 1:], index)))


def objective(
    teacher: Network, criterion: Criterion, student: nn.Module, temp: Tensor, *views: Tensor
) -> tuple[Tensor, Tensor]:
    return criterion(teacher, student, temp, *views)


class SuccessorTrainer(trainer.Trainer):
    """DINO with the pieces that ``config`` asks for; arguments and errors as ``Trainer``'s."""

    objective = staticmethod(objective)

    def __init__(self, config: TrainConfig, *args, **kwargs):
        self.terms = [name for name in ("koleo", "ibot", "gram") if getattr(config, name)]
        super().__init__(config, *args, **kwargs)
        self.anchored_at = min(
            round((config.gram or 0) * self.steps_per_epoch), self.total_steps - 1
        )
        if config.ibot:
            self.crops = MaskedCrops(self.crops, config.global_size // config.patch_size)

    def _network(self) -> nn.Module:
        return Network(self.config)

    def _criterion(self) -> nn.Module:
        return Criterion(self.config, self.teacher.backbone)

    def step(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """As DINO's; returns each added term by its name, too, and ``loss`` is the sum of all."""
        if self.config.gram:
            if self.now == self.anchored_at:
                weights = self.teacher.backbone.state_dict()
                self.criterion.anchor.load_state_dict(weights)
            self.criterion.anchored = self.now >= self.anchored_at
        found = super().step(images, labels)
        _, *added = terms = found["loss"]
        return found | {"loss": terms.sum()} | dict(zip(self.terms, added, strict=True))

    def _seen(self, rows: Tensor, temp: Tensor) -> dict[str, Tensor]:
        return super()._seen(rows[:, :2].flatten(0, 1), temp)

    def _descend(self, t: int, frozen_at_first: nn.Module | None = None) -> None:
        if self.config.ibot:
            frozen_at_first = nn.ModuleList([frozen_at_first, self.student.patch_head.last_layer])
        super()._descend(t, frozen_at_first)
