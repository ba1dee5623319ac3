"""Positions as turns of queries and keys (RoPE, 2104.09864), on two axes (DINOv3, 2508.10104).

No position is learned. The coordinates of a patch, from -1 to 1 in height and width, become
angles, and each pair of numbers of its queries and keys is turned by one of them. A product of a
query and a key then depends on how far their patches are apart. [CLS] and registers have no place
and are not turned.
"""

import math

import torch
from torch import Tensor, nn

Turn = tuple[Tensor, Tensor]  # cosine and sine of each angle, (N, head dim) each


class RopeEmbed(nn.Module):
    """The angles of a grid of h x w patches, row by row.

    A quarter of a head's numbers each: turned by y and by x, with periods from 1 to ``base``;
    the second half of the numbers is turned as the first.
    """

    def __init__(self, head_dim: int, base: float = 100.0):
        super().__init__()
        if head_dim % 4:
            raise ValueError(f"heads of {head_dim} numbers are not turned, but of a multiple of 4")
        self.register_buffer("periods", base ** (torch.arange(head_dim // 4) * 4 / head_dim))

    def forward(self, h: int, w: int) -> Turn:
        device = self.periods.device
        y, x = ((torch.arange(n, device=device) + 0.5) / n * 2 - 1 for n in (h, w))
        at = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).view(h * w, 2, 1)
        angles = (2 * math.pi * at / self.periods).flatten(1).tile(2)  # (N, head dim)
        return angles.cos(), angles.sin()


def turned(tokens: Tensor, turn: Turn) -> Tensor:
    """(B, heads, 1 + R + N, d): the last N tokens turned, number i together with i + d / 2."""
    cos, sin = turn
    first = tokens.shape[-2] - len(cos)
    patches = tokens[..., first:, :]
    a, b = patches.chunk(2, dim=-1)
    patches = patches * cos + torch.cat([-b, a], dim=-1) * sin
    return torch.cat([tokens[..., :first, :], patches], dim=-2)
