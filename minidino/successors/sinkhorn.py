"""Sinkhorn-Knopp in the place of DINO's center (2006.09882; DINOv2, section 4).

The center holds off one kind of collapse, every image on one prototype, by its memory of earlier
batches. Here the batch itself is shared out: three times in turn each prototype is brought to an
equal part of the images, and each image to a sum of 1. There is nothing to remember.
"""

import torch
from torch import Tensor

from minidino.loss import DINOLoss
from minidino.rivals.swav import sinkhorn


class SinkhornLoss(DINOLoss):
    """DINO's loss with shared-out targets; its center stays 0.

    The targets depend on the whole batch: all rows of all processes, of both views together.
    """

    @torch.no_grad()
    def targets(self, teacher_logits: Tensor, teacher_temp: float | Tensor) -> Tensor:
        """(rows, K) raw teacher logits -> (rows, K): rows sum to 1, columns to about rows / K."""
        return sinkhorn(teacher_logits.float(), teacher_temp)

    def update_center(self, teacher_logits: Tensor) -> None:
        """Nothing to do."""
