"""LeJEPA: views of an image meet, and all images together are a Gaussian (2511.08544).

The second half of the loss forbids collapse: there is no teacher, no stop-gradient, no negative.
"""

import torch
from torch import Tensor, nn

from minidino.engine import distributed
from minidino.pixels import sent
from minidino.rivals.common import Projector, Rival
from minidino.trainer import seed_of

DIRECTIONS, KNOTS, FARTHEST = 256, 17, 3.0  # as on the authors' page, MINIMAL.md
WEIGHT = 0.05  # lambda; the paper tries 0.01 to 0.1


class SIGReg(nn.Module):
    """How unlike an isotropic Gaussian rows are (section 4); about 1 for rows drawn from one.

    A Gaussian's shadow in every direction is normal: its mean of exp(i t x) is exp(-t^2 / 2). In
    some directions, others at every step, the rows' squared distance from that is integrated over
    t, with exp(-t^2 / 2) as weight, times the number of rows: the test of Epps and Pulley.
    """

    def __init__(self, dim: int):
        super().__init__()
        t = torch.linspace(0, FARTHEST, KNOTS)  # half of the integral: it is even in t
        self.register_buffer("t", t, persistent=False)
        self.register_buffer("normal", (-(t**2) / 2).exp(), persistent=False)
        self.register_buffer("directions", torch.empty(dim, DIRECTIONS), persistent=False)
        self.turn(0)

    def turn(self, seed: int) -> None:
        """Draw other directions, on the CPU, so that all devices and processes have the same."""
        shape, generator = self.directions.shape, torch.Generator().manual_seed(seed)
        drawn = torch.randn(shape, generator=generator)
        self.directions.copy_(sent(drawn / drawn.norm(dim=0), self.directions))

    def forward(self, rows: Tensor) -> Tensor:
        """(V, B, D), each view a sample of its own -> a scalar; B counts all processes' rows."""
        angles = (rows @ self.directions)[..., None] * self.t  # (V, B, directions, knots)
        means = torch.stack([angles.cos().mean(dim=1), angles.sin().mean(dim=1)])
        cos, sin = distributed.gather(means[None]).mean(dim=0)  # all processes have as many rows
        unlike = ((cos - self.normal) ** 2 + sin**2) * self.normal
        n = rows.shape[1] * distributed.world_size()
        return n * 2 * torch.trapezoid(unlike, self.t, dim=-1).mean()


def lejepa_loss(z: Tensor, n_images: int, sigreg: SIGReg) -> Tensor:
    """Squared distance to the image's center, and ``SIGReg``, in shares 0.95 and 0.05; a scalar.

    z: (V * n_images, D), crop-major; the center is the mean of the first two, the global views.
    """
    by_view = z.view(-1, n_images, z.shape[-1])
    apart = (by_view - by_view[:2].mean(dim=0)).square().mean()
    return (1 - WEIGHT) * apart + WEIGHT * sigreg(by_view)


class LeJEPA(Rival):
    """Global and local views; a projection with two hidden layers and batch norm."""

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        z = student(*views)
        with torch.autocast(z.device.type, enabled=False):  # angles need all their digits
            return lejepa_loss(z.float(), len(views[0]) // 2, criterion), z.detach()

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        student = Projector(self.config, hidden_layers=2, batch_norm=True)
        return student, student

    def _criterion(self) -> nn.Module:
        return SIGReg(self.config.bottleneck_dim)

    def _shown(self, views: tuple[Tensor, ...], labels: Tensor | None) -> tuple[Tensor, ...]:
        self.criterion.turn(seed_of(self.config.seed, "directions", self.now))
        return views
