"""MoCo v2: find your other view among a queue of keys (1911.05722, section 3; 2003.04297).

The keys come from a momentum encoder, so that those of earlier batches still compare.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.engine import distributed
from minidino.errors import UserError
from minidino.rivals.common import Projector, Rival


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float | Tensor) -> Tensor:
    """-log of the softmax share of the positive key (equation 1 of 1911.05722); a scalar.

    Args:
        queries: (B, D); keys: (B, D), row i of the same image as query i, without gradients.
        queue: (L, D), keys of other images, of length 1.
        temperature: divides the cosines.
    """
    q, k = F.normalize(queries.float(), dim=1), F.normalize(keys.float(), dim=1)
    with torch.autocast(q.device.type, enabled=False):
        scores = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ queue.T], dim=1) / temperature
    return F.cross_entropy(scores, scores.new_zeros(len(q), dtype=torch.long))


class Queue(nn.Module):
    """The last L keys; a buffer, so that a checkpoint holds it. It begins with random ones."""

    def __init__(self, length: int, dim: int):
        super().__init__()
        self.register_buffer("keys", F.normalize(torch.randn(length, dim), dim=1))
        self.register_buffer("at", torch.zeros(1))  # a whole number, kept as weights are

    @torch.no_grad()
    def put(self, keys: Tensor) -> None:
        """The oldest keys make way for (B, D) new ones."""
        keys = F.normalize(distributed.gather(keys.float()), dim=1)
        place = (self.at.long() + torch.arange(len(keys), device=keys.device)) % len(self.keys)
        self.keys[place] = keys
        self.at.copy_((self.at + len(keys)) % len(self.keys))


class MoCo(Rival):
    """The first view asks, the second, seen by the momentum encoder, is the key."""

    has_momentum_encoder = True

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        first, second = views[0].chunk(2)  # (B, 3, G, G) each
        with torch.no_grad():
            keys = teacher(second)
        return info_nce(student(first), keys, criterion.keys, temp), keys

    def _network(self) -> nn.Module:
        return Projector(self.config)

    def _criterion(self) -> nn.Module:
        """Raises UserError for a queue in which every image would meet its own earlier key.

        In a shorter one some do. Each epoch has an order of its own: of a queue of L keys and n
        images, (L / n)^2 / 2 of the queries come within L of their image's last key. In the paper
        that is 0.1%, in the recipe things 13%, each time one negative of 4,096.
        """
        length, images = self.config.queue_length, self.steps_per_epoch * self.config.batch_size
        if length >= images:
            raise UserError(
                f"queue_length {length} is not below the {images} images of an epoch, so each "
                f"would meet its own key as a negative; try --queue-length {max(1, images // 4)}"
            )
        if self.config.batch_size > length:
            raise UserError(
                f"queue_length {length} holds less than one batch of {self.config.batch_size}"
            )
        return Queue(length, self.config.bottleneck_dim)

    def _after_loss(self, rows: Tensor) -> None:
        self.criterion.put(rows)
