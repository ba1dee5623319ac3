"""SwAV: assign each view to prototypes, and predict the assignment of the other views (2006.09882).

The assignments of a batch are made so that all prototypes are used alike (Sinkhorn-Knopp), which
is what forbids collapse; there is no momentum encoder.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.engine import distributed
from minidino.errors import UserError
from minidino.loss import cross_entropy_of_pairs
from minidino.rivals.common import Projector, Rival

EPSILON, ITERATIONS = 0.05, 3


def widest_float(device: torch.device) -> torch.dtype:
    """In float32 exponentials vanish below e^-87; Apple's GPUs have nothing wider."""
    return torch.float32 if device.type == "mps" else torch.float64


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float = EPSILON, iterations: int = ITERATIONS) -> Tensor:
    """(B, K) scores -> (B, K) assignments: rows sum to 1, columns to about B / K each.

    Rows and columns of exp(scores / epsilon) are scaled in turn (section 3.1 and algorithm 1 of
    2006.09882). B counts the rows of all processes.
    """
    wide = widest_float(scores.device)
    rows, least = distributed.gather(scores.to(wide)), torch.finfo(wide).tiny
    q = (rows - rows.max()).div(epsilon).exp()
    for _ in range(iterations):
        q = q / q.sum(dim=0, keepdim=True).clamp(min=least)
        q = q / q.sum(dim=1, keepdim=True).clamp(min=least)
    return q.chunk(distributed.world_size())[distributed.rank()].to(scores.dtype)


def swav_loss(scores: Tensor, n_images: int, temperature: float | Tensor) -> Tensor:
    """Cross-entropy of each view's softmax with the *other* global views' assignments; a scalar.

    Args:
        scores: (V B, K) cosines with the prototypes, crop-major, the two global views first.
        n_images: B.
        temperature: of the softmax.
    """
    by_view = scores.float().view(-1, n_images, scores.shape[-1])
    assigned = torch.stack([sinkhorn(view.detach()) for view in by_view[:2]])
    with torch.autocast(scores.device.type, enabled=False):
        return cross_entropy_of_pairs(by_view / temperature, assigned)


class Assigning(Projector):
    """Backbone, projection with batch norm, and cosines with K prototypes of length 1."""

    def __init__(self, config):
        super().__init__(config, batch_norm=True)  # without it, small batches collapse
        self.prototypes = nn.Linear(config.bottleneck_dim, config.out_dim, bias=False)
        self.normalize_prototypes()

    def forward(self, *views: Tensor) -> Tensor:
        return self.prototypes(F.normalize(super().forward(*views), dim=1))

    @torch.no_grad()
    def normalize_prototypes(self) -> None:
        self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))


class SwAV(Rival):
    """Global and local views; prototypes are brought to length 1 after every step."""

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        scores = student(*views)
        return swav_loss(scores, len(views[0]) // 2, temp), scores.detach()

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Raises UserError for more prototypes than a batch can be divided among."""
        if self.config.batch_size < self.config.out_dim:
            raise UserError(
                f"out_dim {self.config.out_dim} prototypes cannot share a batch of "
                f"{self.config.batch_size} alike; try --out-dim {self.config.batch_size}"
            )
        student = Assigning(self.config)
        return student, student

    def _criterion(self) -> nn.Module:
        return nn.Identity()

    def _frozen_at_first(self) -> nn.Module:
        return self.student.prototypes

    def _after_step(self) -> None:
        self.student.normalize_prototypes()
