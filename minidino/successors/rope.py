"""Positions as turns of queries and keys (RoPE, 2104.09864), on two axes (DINOv3, 2508.10104).

No position is learned. The coordinates of a patch, from -1 to 1 in height and width, become
angles, and each pair of numbers of its queries and keys is turned by one of them. A product of a
query and a key then depends on how far their patches are apart. [CLS] and registers have no place
and are not turned.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from minidino.successors.registers import RegisterViT
from minidino.vit import Attention, Block, VisionTransformer, attend

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


class RotaryAttention(Attention):
    """Attention between turned queries and keys; ``rows`` are those of the queries that ask."""

    def project(self, x: Tensor, turn: Turn) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().project(x)
        return turned(q, turn), turned(k, turn), v

    def forward(self, x: Tensor, turn: Turn, rows: slice = slice(None)) -> Tensor:
        q, k, v = self.project(x, turn)
        seen = attend(q[..., rows, :], k, v)
        return self.proj(rearrange(seen, "b heads n d -> b n (heads d)"))

    def probabilities(self, x: Tensor, turn: Turn, rows: slice = slice(None)) -> Tensor:
        """(B, heads, rows, N); each row sums to 1."""
        q, k, _ = self.project(x, turn)
        return (q[..., rows, :] @ k.mT * q.shape[-1] ** -0.5).softmax(dim=-1)


class RotaryBlock(Block):
    """As ``Block``, with ``RotaryAttention``."""

    def __init__(self, dim: int, num_heads: int, *others: float):
        super().__init__(dim, num_heads, *others)
        self.attn = RotaryAttention(dim, num_heads)

    def forward(self, x: Tensor, turn: Turn, cls_only: bool = False) -> Tensor:
        rows = slice(0, 1) if cls_only else slice(None)
        x = x[:, rows] + self.drop_path(self.attn(self.norm1(x), turn, rows=rows))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class RotaryViT(RegisterViT):
    """As ``RegisterViT``, with turns in place of learned positions.

    Args:
        image_size: no position depends on it; the side at which it is evaluated by default.

    The others are those of ``RegisterViT``; a head's width is a multiple of 4.
    """

    block = RotaryBlock

    def __init__(self, *args, registers: int = 0, **sizes):
        super().__init__(*args, registers=registers, **sizes)
        self.rope_embed = RopeEmbed(self.embed_dim // self.num_heads)
        del self.pos_embed

    def interpolate_positions(self, h: int, w: int) -> Tensor:
        """Nothing is added to a token."""
        return self.cls_token.new_zeros(1, 1 + h * w, 1)

    def _before_last(self, images: Tensor) -> tuple[Tensor, Turn]:
        """Tokens that the last block is given, and the turns."""
        x, (turn,) = self.prepare_tokens(images), turns_of(self, images)
        for block in self.blocks[:-1]:
            x = block(x, turn)
        return x, turn

    def forward_features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1 + N, D): [CLS] and patches after the final norm."""
        return self.get_intermediate_layers(images, 1)[0]

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D): the [CLS] token after the final norm."""
        x, turn = self._before_last(images)
        return self.norm(self.blocks[-1](x, turn, cls_only=True))[:, 0]

    def get_intermediate_layers(self, images: Tensor, n: int = 1) -> list[Tensor]:
        """[CLS] and patches of the last ``n`` blocks, each (B, 1 + N, D) and through the norm."""
        x, (turn,), outputs = self.prepare_tokens(images), turns_of(self, images), []
        for block in self.blocks:
            x = block(x, turn)
            outputs = [*outputs, x][-n:]
        return [self._without_registers(self.norm(x)) for x in outputs]

    def get_last_selfattention(
        self, images: Tensor, cls_only: bool = False, registers: bool = False
    ) -> Tensor:
        """As ``RegisterViT``'s."""
        x, turn = self._before_last(images)
        last, rows = self.blocks[-1], slice(0, 1) if cls_only else slice(None)
        attention = last.attn.probabilities(last.norm1(x), turn, rows)
        return attention if registers else self._kept(attention, cls_only)


def turns_of(vit: VisionTransformer, images: Tensor) -> list[Turn]:
    """What a block of this ViT takes beside its tokens: the turns, or nothing."""
    if not isinstance(vit, RotaryViT):
        return []
    turn = vit.rope_embed(*(side // vit.patch_size for side in images.shape[-2:]))
    return [tuple(t.to(vit.cls_token.dtype) for t in turn)]
