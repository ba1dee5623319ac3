"""SimCLR: of all views in the batch, find the other view of your image (2002.05709, section 2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidino.engine import distributed
from minidino.errors import UserError
from minidino.rivals.common import Projector, Rival


def nt_xent(z: Tensor, temperature: float | Tensor) -> Tensor:
    """The normalised temperature-scaled cross-entropy (equation 1 of 2002.05709); a scalar.

    Args:
        z: (2 B, D), crop-major: the first views of all images, then the second ones.
        temperature: divides the cosines.

    Each of the 2 B rows is to be told its partner among 2 B - 1 others. With several processes
    the others are the rows of all of them.
    """
    a, b = F.normalize(z.float(), dim=1).chunk(2)
    everybody = torch.cat([distributed.gather(a), distributed.gather(b)])
    n, images = len(a), len(everybody) // 2
    me = torch.arange(n, device=z.device) + distributed.rank() * n  # my images among all
    mine = torch.cat([me, me + images])
    partner = torch.cat([me + images, me])
    with torch.autocast(z.device.type, enabled=False):
        scores = torch.cat([a, b]) @ everybody.T / temperature
    scores = scores.scatter(1, mine[:, None], float("-inf"))  # nobody is a negative of itself
    return F.cross_entropy(scores, partner)


class SimCLR(Rival):
    """Two global views, a projection with one hidden layer, NT-Xent over the whole batch."""

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        z = student(views[0])  # global views only
        return nt_xent(z, temp), z.detach()

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Raises UserError if there is nobody to tell an image from."""
        if self.config.batch_size < 8:
            raise UserError(
                f"batch_size {self.config.batch_size} is too small for SimCLR, whose negatives are "
                "the other images of the batch; 8 is the least, 64 and more are usual"
            )
        student = Projector(self.config)
        return student, student

    def _criterion(self) -> nn.Module:
        return nn.Identity()
