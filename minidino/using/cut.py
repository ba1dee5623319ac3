"""TokenCut (2202.11539): the patches of a picture as a graph, cut where it is weakest.

Two patches are tied where the cosine of their keys is over 0.2, and all others very loosely. The
normalised cut is relaxed to the second eigenvector of (D - A) y = l D y, which is split at its
mean. The thing is the side of the entry that is largest in size, and of that side the piece with
that entry in it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TIED, LOOSE = 0.2, 1e-5  # the paper's


def second_eigenvector(keys: Tensor) -> Tensor:
    """(h, w, D), the last block's keys -> (h, w) in double precision, of either sign."""
    unit = F.normalize(keys.flatten(0, 1).double(), dim=1)
    ties = torch.where(unit @ unit.T > TIED, 1.0, LOOSE).double()
    root = ties.sum(dim=1).rsqrt()  # with y = D^-1/2 z the problem is symmetric
    laplacian = torch.eye(len(ties), dtype=ties.dtype) - root[:, None] * ties * root
    vectors = torch.linalg.eigh(laplacian).eigenvectors
    return (root * vectors[:, :2][:, -1]).view(keys.shape[:2])  # one patch has one


def cut(keys: Tensor) -> Tensor:
    """(h, w, D) -> bool (h, w), true on the thing."""
    vector = second_eigenvector(keys)
    side = vector > vector.mean()
    seed = vector.abs().flatten().argmax()
    if not side.flatten()[seed]:
        side = ~side
    piece = pieces(side)
    return piece == piece.flatten()[seed]


def pieces(mask: Tensor) -> Tensor:
    """A number for each connected piece of a mask, bool (h, w): int64 (h, w), 0 outside.

    Patches that share a side are connected.
    """
    number = torch.arange(1, mask.numel() + 1).view(mask.shape) * mask
    while True:  # the largest number of a piece spreads in it
        padded = F.pad(number, (1, 1, 1, 1))
        around = (padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1])
        spread = torch.stack([number, *around]).amax(dim=0) * mask
        if torch.equal(spread, number):
            return number
        number = spread


def largest_piece(mask: Tensor) -> Tensor:
    """The connected piece with the most patches, bool (h, w); of an empty mask none."""
    number = pieces(mask)
    counts = number[mask].bincount() if mask.any() else torch.zeros(1)
    return mask & (number == counts.argmax())
