"""KoLeo: push each image's feature away from its nearest neighbour (1806.03198; DINOv2, section 4).

The name is that of Kozachenko and Leonenko, who estimate a distribution's entropy by distances to
nearest neighbours: the loss is that estimate, but for its sign and constants. DINO's own loss says
nothing about how features fill their space.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.engine import distributed

TINY = 1e-8  # two equal features are so far apart


def koleo(features: Tensor) -> Tensor:
    """-mean_i log min_j |x_i - x_j|, of features brought to length 1; a scalar.

    Args:
        features: (B, D), of one view: the other view of an image is no neighbour to be pushed.

    With several processes the neighbours are among the rows of all of them.

    >>> koleo(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item()  # -log sqrt 2
    -0.3465735912322998
    """
    with torch.autocast(features.device.type, enabled=False):
        mine = F.normalize(features.float(), dim=1, eps=TINY)
        x = distributed.gather(mine)
        with torch.no_grad():
            cosines = x @ x.T
            nearest = cosines.fill_diagonal_(-2).argmax(dim=1)
        return -(F.pairwise_distance(x, x[nearest], eps=TINY) + TINY).log().mean()
