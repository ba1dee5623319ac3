"""MAE's decoder: patches back in their places, a token for each hidden one, and pixels painted.

The order that takes patches away, and the way back, are here too; the encoder asks for them.
"""

import math

import torch
from torch import Tensor, nn

from minidino.vit import Block, VisionTransformer


def shuffle(noise: Tensor) -> tuple[Tensor, Tensor]:
    """Noise (B, N) -> a random order of each image's patches (B, N), and the way back.

    ``take(take(tokens, order), back)`` is ``tokens``; the first of the order stay visible.
    """
    order = noise.argsort(dim=1)
    return order, order.argsort(dim=1)


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Of each image the tokens at its own indices: (B, N, D) and (B, n) -> (B, n, D)."""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))


def sincos_positions(side: int, dim: int) -> Tensor:
    """(side * side, dim), row by row: sines and cosines of the column, then those of the row."""
    frequencies = 10_000 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angles = torch.arange(side)[:, None] * frequencies  # (side, dim / 4)
    one_axis = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.cat([one_axis.repeat(side, 1), one_axis.repeat_interleave(side, 0)], 1).float()


class Decoder(nn.Module):
    """What the encoder made of [CLS] and the visible patches -> the pixels of all patches.

    Half as wide as the backbone and a third as deep: the paper's has 512 numbers and 8 blocks
    behind ViT-L's 1,024 and 24.
    """

    def __init__(self, backbone: VisionTransformer):
        super().__init__()
        heads = backbone.num_heads
        width = 4 * heads * math.ceil(backbone.embed_dim / heads / 8)  # a multiple of 4
        self.embed = nn.Linear(backbone.embed_dim, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        positions = sincos_positions(backbone.grid, width)
        self.register_buffer("positions", positions, persistent=False)
        depth = max(1, backbone.depth // 3)
        self.blocks = nn.ModuleList(Block(width, heads, 4.0, 0.0) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pixels = nn.Linear(width, 3 * backbone.patch_size**2)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor, back: Tensor) -> Tensor:
        """(B, 1 + visible, D), and the way back of ``shuffle`` (B, N) -> (B, N, p * p * 3)."""
        cls, visible = self.embed(tokens).tensor_split([1], dim=1)
        gaps = self.mask_token.expand(len(tokens), back.shape[1] - visible.shape[1], -1)
        patches = take(torch.cat([visible, gaps], dim=1), back)  # each in its place again
        x = torch.cat([cls, patches + self.positions], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.pixels(self.norm(x[:, 1:]))
