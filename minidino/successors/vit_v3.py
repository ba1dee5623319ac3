"""DINOv3's ViT (2508.10104): DINOv2's with registers, and turns in place of positions."""

from torch import Tensor, nn

from minidino.successors.rope import Turn
from minidino.successors.vit_rope import RotaryAttention, RotaryViT
from minidino.successors.vit_v2 import ScaledBlock, VisionTransformerV2


class ScaledRotaryBlock(ScaledBlock):
    """As ``ScaledBlock``, with ``RotaryAttention``."""

    def __init__(self, dim: int, num_heads: int, hidden_dim: int, gated: bool, drop_path: float):
        super().__init__(dim, num_heads, hidden_dim, gated, drop_path)
        self.attn = RotaryAttention(dim, num_heads)

    def forward(self, x: Tensor, turn: Turn, cls_only: bool = False) -> Tensor:
        rows = slice(0, 1) if cls_only else slice(None)
        x = x[:, rows] + self.drop_path(self.ls1(self.attn(self.norm1(x), turn, rows=rows)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class VisionTransformerV3(RotaryViT, VisionTransformerV2):
    """As ``VisionTransformerV2``, with turns in place of learned positions; as ``RotaryViT``."""

    block = ScaledRotaryBlock

    def __init__(
        self, image_size: int = 224, patch_size: int = 16, *args, registers: int = 4, **sizes
    ):
        super().__init__(image_size, patch_size, *args, registers=registers, **sizes)
        # Fixed by the sizes: not all files have them.
        self.rope_embed.register_buffer("periods", self.rope_embed.periods, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-5
