"""DINOv2's ViT (2304.07193): the ViT of ``vit.py`` with scaled branches, and what its sizes need.

Three things are new. Each branch of a block is multiplied by a learned vector (LayerScale,
2103.17239). The largest model's MLP has a gate (SwiGLU, 2002.05202). Some models carry registers
(``registers.py``). Positions are learned for 518 px, 37 x 37 patches of 14 px.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from minidino.successors.registers import RegisterViT
from minidino.vit import Block


class LayerScale(nn.Module):
    """x * gamma, a factor for each of the D numbers.

    DINOv2 is trained from 1e-5. Here it begins at 1: fresh weights only serve as a floor beside
    trained ones, and at 1e-5 all images would have the same feature, to float32's rounding.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class SwiGLU(nn.Module):
    """w3(silu(a) * b), where a and b are the two halves of w12(x)."""

    def __init__(self, dim: int, hidden_dim: int):
        super().__init__()
        self.w12 = nn.Linear(dim, 2 * hidden_dim)
        self.w3 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(a) * b)


class ScaledBlock(Block):
    """x + ls1(attention(norm(x))), then x + ls2(mlp(norm(x)))."""

    def __init__(self, dim: int, num_heads: int, hidden_dim: int, gated: bool, drop_path: float):
        super().__init__(dim, num_heads, hidden_dim / dim, drop_path)
        if gated:
            self.mlp = SwiGLU(dim, hidden_dim)
        self.ls1, self.ls2 = LayerScale(dim), LayerScale(dim)

    def forward(self, x: Tensor, cls_only: bool = False) -> Tensor:
        tokens = self.norm1(x)
        seen = self.attn.forward_cls(tokens) if cls_only else self.attn(tokens)
        x = (x[:, :1] if cls_only else x) + self.drop_path(self.ls1(seen))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class VisionTransformerV2(RegisterViT):
    """As ``RegisterViT``, with LayerScale, and with gates where asked for.

    Args:
        gated: SwiGLU in place of the MLP; ``hidden_dim`` is then that of either half.
        hidden_dim: of each block's MLP; 4 ``embed_dim`` by default.

    The others are those of ``RegisterViT``.
    """

    block = ScaledBlock

    def __init__(
        self,
        image_size: int = 518,
        patch_size: int = 14,
        in_chans: int = 3,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        hidden_dim: int | None = None,
        drop_path_rate: float = 0.0,
        registers: int = 0,
        gated: bool = False,
    ):
        sizes = (image_size, patch_size, in_chans, embed_dim, 0, num_heads)
        super().__init__(*sizes, registers=registers)
        rates = torch.linspace(0, drop_path_rate, depth).tolist()
        hidden = hidden_dim or 4 * embed_dim
        self.depth = depth
        self.blocks = nn.ModuleList(
            self.block(embed_dim, num_heads, hidden, gated, rate) for rate in rates
        )
        self.blocks.apply(self._init_linear)

    def interpolate_positions(self, h: int, w: int) -> Tensor:
        """As the official code: models with registers smooth where the grid shrinks (antialias);
        those without add 0.1 to the size, once a mend for rounding, and so shift a little."""
        if h == w == self.grid:
            return self.pos_embed
        cls_position, grid = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = rearrange(grid, "1 (h w) d -> 1 d h w", h=self.grid)
        how: dict = {"size": (h, w), "antialias": True}
        if not self.registers:
            how = {"scale_factor": tuple((side + 0.1) / self.grid for side in (h, w))}
        grid = F.interpolate(grid, mode="bicubic", align_corners=False, **how)
        return torch.cat([cls_position, rearrange(grid, "1 d h w -> 1 (h w) d")], dim=1)
