"""Schedules: one value per optimizer step, for learning rate, weight decay and momenta."""

import math

import torch
from torch import Tensor


def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> Tensor:
    """A linear warm-up from ``start`` to ``base``, then half a cosine down (or up) to ``final``.

    After W warm-up steps, step t of T has

        final + (base - final) * (1 + cos(pi * (t - W) / (T - W))) / 2.

    ``final`` itself would be the value of step T, one past the end, as in the official code.

    Returns:
        float64 Tensor of shape (total_steps,).

    Raises:
        ValueError: if the warm-up is longer than the training.

    >>> cosine_schedule(1.0, 0.0, total_steps=4).tolist()
    [1.0, 0.8535533905932737, 0.5, 0.14644660940672627]
    """
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError(f"{warmup_steps} warm-up steps do not fit in {total_steps} steps")
    warmup = torch.linspace(start, base, warmup_steps, dtype=torch.float64)
    n = total_steps - warmup_steps
    phase = torch.arange(n, dtype=torch.float64) * (math.pi / max(n, 1))
    return torch.cat([warmup, final + (base - final) * (1 + phase.cos()) / 2])


def linear_warmup(start: float, end: float, total_steps: int, warmup_steps: int) -> Tensor:
    """``start`` to ``end`` in a straight line over the warm-up, then constant; (total_steps,).

    The teacher's temperature follows it, upwards: too soft a start makes training collapse
    (0.08 without a warm-up; DINO, appendix D). The warm-up's last step has ``end`` already
    (one of a single step has ``start``); without one all have.

    Raises:
        ValueError: if the warm-up is longer than the training.
    """
    return cosine_schedule(end, end, total_steps, warmup_steps, start)
