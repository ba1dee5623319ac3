"""DINOv3's ViT (2508.10104): positions are turns of queries and keys (RoPE), and registers.

No position is learned. The coordinates of a patch, from -1 to 1 in height and width, become
angles, and each pair of numbers of its queries and keys is turned by one of them (2104.09864). A
product of a query and a key then hangs on how far their patches are apart. [CLS] and registers
have no place and are not turned.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from minidino.successors.vit_v2 import ScaledBlock, VisionTransformerV2
from minidino.vit import Attention, attend

Turn = tuple[Tensor, Tensor]  # cosine and sine of each angle, (N, head dim) each


def turns(h: int, w: int, head_dim: int, base: float = 100.0, device=None) -> Turn:
    """The angles of a grid of h x w patches, row by row.

    A quarter of a head's numbers each: turned by y and by x, with periods from 1 to ``base``;
    the second half of the numbers is turned as the first.
    """
    y, x = ((torch.arange(n, device=device) + 0.5) / n * 2 - 1 for n in (h, w))
    at = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).view(h * w, 2, 1)
    periods = base ** (torch.arange(head_dim // 4, device=device) * 4 / head_dim)
    angles = (2 * math.pi * at / periods).flatten(1).tile(2)  # (N, head dim)
    return angles.cos(), angles.sin()


def turned(tokens: Tensor, turn: Turn) -> Tensor:
    """(B, heads, 1 + R + N, d): the last N tokens turned, number i together with i + d / 2."""
    cos, sin = turn
    first = tokens.shape[-2] - len(cos)
    patches = tokens[..., first:, :]
    a, b = patches.chunk(2, dim=-1)
    patches = patches * cos + torch.cat([-b, a], dim=-1) * sin
    return torch.cat([tokens[..., :first, :], patches], dim=-2)


class RotaryAttention(Attention):
    """Attention between turned queries and keys."""

    def project(self, x: Tensor, turn: Turn) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().project(x)
        return turned(q, turn), turned(k, turn), v

    def forward(self, x: Tensor, turn: Turn) -> Tensor:
        seen = attend(*self.project(x, turn))
        return self.proj(rearrange(seen, "b heads n d -> b n (heads d)"))

    def probabilities(self, x: Tensor, turn: Turn, rows: slice = slice(None)) -> Tensor:
        """(B, heads, N, N), or some rows of it; each sums to 1."""
        q, k, _ = self.project(x, turn)
        return (q[..., rows, :] @ k.mT * q.shape[-1] ** -0.5).softmax(dim=-1)


class RotaryBlock(ScaledBlock):
    def __init__(self, dim: int, num_heads: int, hidden_dim: int, gated: bool, drop_path: float):
        super().__init__(dim, num_heads, hidden_dim, gated, drop_path)
        self.attn = RotaryAttention(dim, num_heads)

    def forward(self, x: Tensor, turn: Turn) -> Tensor:
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x), turn)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class VisionTransformerV3(VisionTransformerV2):
    """As ``VisionTransformerV2``, with turns in place of learned positions.

    Args:
        image_size: no position hangs on it; the side at which it is evaluated by default.

    The others are those of ``VisionTransformerV2``; a head's width is a multiple of 4.
    """

    block = RotaryBlock

    def __init__(
        self, image_size: int = 224, patch_size: int = 16, *args, registers: int = 4, **sizes
    ):
        super().__init__(image_size, patch_size, *args, registers=registers, **sizes)
        if self.embed_dim // self.num_heads % 4:
            raise ValueError(f"heads of {self.embed_dim // self.num_heads} numbers are not turned")
        del self.pos_embed
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-5

    def interpolate_positions(self, h: int, w: int) -> Tensor:
        """Nothing is added to a token."""
        return self.cls_token.new_zeros(1, 1, 1)

    def _layers(self, images: Tensor, n: int) -> tuple[list[Tensor], Turn]:
        """Tokens before the last n blocks and after each of them, without the final norm."""
        x, p = self.prepare_tokens(images), self.patch_size
        h, w = (side // p for side in images.shape[-2:])
        turn = turns(h, w, self.embed_dim // self.num_heads, device=x.device)
        turn = tuple(t.to(x.dtype) for t in turn)
        kept = [x]
        for block in self.blocks:
            x = block(x, turn)
            kept = [*kept[-n:], x]
        return kept, turn

    def forward_features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1 + N, D): [CLS] and patches after the final norm."""
        return self.get_intermediate_layers(images, 1)[0]

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D): the [CLS] token after the final norm."""
        return self.forward_features(images)[:, 0]

    def get_intermediate_layers(self, images: Tensor, n: int = 1) -> list[Tensor]:
        """[CLS] and patches of the last ``n`` blocks, each (B, 1 + N, D) and through the norm."""
        layers, _ = self._layers(images, n)
        return [self._without_registers(self.norm(x)) for x in layers[1:]]

    def get_last_selfattention(
        self, images: Tensor, cls_only: bool = False, registers: bool = False
    ) -> Tensor:
        """As ``VisionTransformerV2``'s."""
        layers, turn = self._layers(images, 1)
        last, rows = self.blocks[-1], slice(0, 1) if cls_only else slice(None)
        attention = last.attn.probabilities(last.norm1(layers[0]), turn, rows)
        return attention if registers else self._kept(attention, cls_only)
