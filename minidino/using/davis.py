"""J and F: how well masks follow things through a video, as DAVIS measures it.

J is the Jaccard index of the regions. F compares boundaries (Perazzi et al. 2016, section 4): of
the pixels on one boundary, the share that has a pixel of the other within 0.8% of the diagonal,
both ways; F is the harmonic mean of the two shares. First and last frame are left out, J and F of
several things are averaged.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.attention import jaccard

TOLERANCE = 0.008  # of the diagonal


def boundary(mask: Tensor) -> Tensor:
    """bool (H, W) -> bool (H, W): pixels that differ from the one to the right, below, or both."""
    padded = F.pad(mask[None, None].float(), (0, 1, 0, 1), mode="replicate")[0, 0] > 0
    right, below, both = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (mask ^ right) | (mask ^ below) | (mask ^ both)


def boundary_f(mask: Tensor, truth: Tensor, tolerance: float = TOLERANCE) -> float:
    """F of two masks, bool (H, W); 1 if neither has a boundary, 0 if one has none."""
    ours, true = boundary(mask), boundary(truth)
    if not ours.any() or not true.any():
        return float(bool(ours.any()) == bool(true.any()))
    reach = math.ceil(tolerance * math.hypot(*mask.shape))
    precision = (ours & _grown(true, reach)).sum() / ours.sum()
    recall = (true & _grown(ours, reach)).sum() / true.sum()
    return (2 * precision * recall / (precision + recall).clamp(min=1e-12)).item()


def _grown(mask: Tensor, reach: int) -> Tensor:
    """Pixels within ``reach`` pixels of one in the mask."""
    step = torch.arange(-reach, reach + 1)
    disc = (step[:, None] ** 2 + step**2 <= reach**2).float()
    return F.conv2d(mask[None, None].float(), disc[None, None], padding=reach)[0, 0] > 0.5


def j_and_f(found: Sequence[Tensor], truth: Sequence[Tensor], things: Sequence[int]) -> dict:
    """Means over things and over all frames but the first and the last.

    Args:
        found, truth: labels (H, W) of each frame, 0 for no thing.
        things: labels that count.

    Returns:
        ``J``, ``F`` and ``J&F``, their mean.

    Raises:
        ValueError: if no frame or no thing is left.
    """
    frames = list(zip(found, truth, strict=True))[1:-1]
    if not frames or not things:
        raise ValueError("J and F leave out the first and the last frame; nothing is left")
    j = [jaccard(a == i, b == i).item() for i in things for a, b in frames]
    f = [boundary_f(a == i, b == i) for i in things for a, b in frames]
    scores = {"J": sum(j) / len(j), "F": sum(f) / len(f)}
    return {"J&F": (scores["J"] + scores["F"]) / 2} | scores
