"""A Vision Transformer whose blocks turn queries and keys (RoPE) in place of learned positions."""

from einops import rearrange
from torch import Tensor

from minidino.successors.registers import RegisterViT
from minidino.successors.rope import RopeEmbed, Turn, turned
from minidino.vit import Attention, Block, VisionTransformer, attend


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
