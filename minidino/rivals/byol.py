"""BYOL: predict what a momentum encoder makes of your other view (2006.07733, section 3).

There are no negatives, and nothing in the loss forbids that all answers become the same. What
does is the predictor, the momentum encoder, which gets no gradients, and the batch norm in the
projection and the predictor.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.config import TrainConfig
from minidino.rivals.common import Projector, Rival, mlp


def byol_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """2 - 2 cos, both ways round (equation 2 of 2006.07733); a scalar, 0 to 8.

    Args:
        predictions: (2 B, D) of the student, crop-major; targets: (2 B, D) of the teacher,
            without gradients. A first view predicts the second one's target, and the second
            one the first one's.
    """
    p, z = F.normalize(predictions.float(), dim=1), F.normalize(targets.float(), dim=1)
    other = torch.cat(z.chunk(2)[::-1])
    return 2 * (2 - 2 * (p * other).sum(dim=1)).mean()  # two terms an image


class Predicting(Projector):
    """Backbone and projection; ``predictor`` is asked of the student alone."""

    def __init__(self, config: TrainConfig):
        super().__init__(config, batch_norm=True)
        c = config
        self.predictor = mlp(c.bottleneck_dim, c.hidden_dim, c.bottleneck_dim, batch_norm=True)

    def forward(self, *views: Tensor) -> Tensor:
        return self.predictor(super().forward(*views))

    def project(self, views: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, bottleneck_dim), without the predictor."""
        return super().forward(views)


class BYOL(Rival):
    """Two global views; the teacher's copy of the predictor is never asked."""

    has_momentum_encoder = True

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            targets = teacher.project(views[0])
        return byol_loss(student(views[0]), targets), targets

    def _network(self) -> nn.Module:
        return Predicting(self.config)

    def _criterion(self) -> nn.Module:
        return nn.Identity()
