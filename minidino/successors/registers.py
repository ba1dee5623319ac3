"""Registers: tokens that belong to no patch, for the network to keep notes in (2309.16588).

Without them a trained ViT keeps notes in patches that show little, and those then shine in its
attention maps and are lost to whoever reads patches. Registers take part in every block and are
left out of what is returned.
"""

import torch
from torch import Tensor, nn

from minidino.vit import VisionTransformer


class RegisterViT(VisionTransformer):
    """As ``VisionTransformer``, with tokens between [CLS] and the patches, without positions.

    Args:
        registers: how many; 4 in the paper, and 0 for none.

    The others are those of ``VisionTransformer``. What is returned is without registers.
    """

    def __init__(self, *args, registers: int = 4, **sizes):
        super().__init__(*args, **sizes)
        self.registers = registers
        if registers:
            self.register_tokens = nn.Parameter(torch.empty(1, registers, self.embed_dim))
            nn.init.normal_(self.register_tokens, std=0.02)

    def prepare_tokens(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1 + R + N, D): [CLS], registers, patches.

        Raises:
            ValueError: if H or W is not a multiple of the patch size.
        """
        tokens = super().prepare_tokens(images)
        if not self.registers:
            return tokens
        registers = self.register_tokens.expand(len(images), -1, -1)
        return torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)

    def _without_registers(self, tokens: Tensor) -> Tensor:
        """(B, 1 + R + N, D) -> (B, 1 + N, D)."""
        return torch.cat([tokens[:, :1], tokens[:, 1 + self.registers :]], dim=1)

    def forward_features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1 + N, D): [CLS] and patches after the final norm."""
        return self._without_registers(super().forward_features(images))

    def get_intermediate_layers(self, images: Tensor, n: int = 1) -> list[Tensor]:
        """[CLS] and patches of the last ``n`` blocks, each (B, 1 + N, D) and through the norm."""
        return [self._without_registers(x) for x in super().get_intermediate_layers(images, n)]

    def get_last_selfattention(
        self, images: Tensor, cls_only: bool = False, registers: bool = False
    ) -> Tensor:
        """As ``VisionTransformer``'s; with ``registers`` they stand between [CLS] and patches.

        Without them a row sums to less than 1, by what it gives to the registers.
        """
        attention = super().get_last_selfattention(images, cls_only)
        return attention if registers else self._kept(attention, cls_only)

    def _kept(self, attention: Tensor, cls_only: bool) -> Tensor:
        """Without the columns, and but for [CLS] alone the rows, of registers."""
        kept = [0, *range(1 + self.registers, attention.shape[-1])]
        return attention[..., kept] if cls_only else attention[..., kept, :][..., kept]
