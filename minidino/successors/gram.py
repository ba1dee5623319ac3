"""Gram anchoring: keep how alike patches are to each other as it once was (DINOv3, section 4).

In long trainings [CLS] goes on getting better while patch features get worse. Their Gram matrix,
the cosines of all pairs of an image's patches, is therefore held to that of an earlier teacher.
Features may move as they like, as long as their likenesses stay.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

WEIGHT = 2.0  # DINOv3's


def gram_loss(patches: Tensor, anchor: Tensor) -> Tensor:
    """|X X^T - Y Y^T|^2 / N^2 of patch features brought to length 1, a mean over views; a scalar.

    Args:
        patches: (B, N, D) of the student.
        anchor: (B, N, D') of the earlier teacher, which sees the same views.

    The square is Frobenius's (equation 2); the official code, too, takes the mean over all pairs.
    """
    with torch.autocast(patches.device.type, enabled=False):
        x, y = F.normalize(patches.float(), dim=-1), F.normalize(anchor.float(), dim=-1)
        return (x @ x.mT - y @ y.mT).square().mean()
