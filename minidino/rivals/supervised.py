"""Supervised learning: cross-entropy with the labels, on the global views.

Source: the rival of table 2 and figure 4 of DINO; DeiT (2012.12877), without its distillation.
"""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from minidino.errors import UserError
from minidino.rivals.common import Projector, Rival


class Supervised(Rival):
    """A linear classifier on [CLS]; each global view of an image has the image's label."""

    uses_labels = True

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        globals_, labels = views  # (2 B, 3, G, G), (B,)
        logits = student(globals_).float()
        return F.cross_entropy(logits, labels.repeat(2)), logits.detach()

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Raises UserError if the pictures have no labels."""
        if self.n_classes < 2:
            raise UserError(
                "--objective supervised needs pictures with labels, a folder for each class, that "
                "fit in memory"
            )
        student = Projector(replace(self.config, bottleneck_dim=self.n_classes), hidden_layers=0)
        (student.head,) = student.head  # one linear layer
        return student, student

    def _criterion(self) -> nn.Module:
        return nn.Identity()

    def _shown(self, views: tuple[Tensor, ...], labels: Tensor | None) -> tuple[Tensor, ...]:
        return views[0], labels
