"""MAE: hide three quarters of an image's patches and paint them from the rest (2111.06377).

The encoder is the backbone, and sees the visible patches alone: that is what makes a step cheap. A
small decoder gets what it made of them, and one learned token in the place of each hidden patch.
The encoder's positions are the backbone's own, which are learned; the decoder's are fixed sines
and cosines, which the paper has in both. No two images or views are compared.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from minidino.config import TrainConfig
from minidino.engine import distributed
from minidino.errors import UserError
from minidino.pixels import sent
from minidino.rivals.common import Rival
from minidino.successors.mae_decoder import Decoder, shuffle, take
from minidino.trainer import build_backbone, seed_of

HIDDEN = 0.75  # of the patches (section 4.1)


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """(B, C, H, W) -> (B, N, p * p * C): each patch's pixels row by row, a pixel's colours last."""
    return rearrange(images, "b c (h p) (w q) -> b (h w) (p q c)", p=patch_size, q=patch_size)


def mae_loss(predicted: Tensor, images: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the hidden patches' pixels; a scalar.

    Each patch's pixels less their mean, over their standard deviation, are what is to be painted
    (section 3, "Reconstruction target"). A visible patch costs nothing, however it is painted.

    Args:
        predicted: (B, N, p * p * 3), of all patches; images: (B, 3, H, W).
        hidden: (B, M), indices of the hidden patches.
    """
    pixels = patchify(images.float(), math.isqrt(predicted.shape[-1] // 3))
    variance, mean = torch.var_mean(pixels, dim=-1, keepdim=True)
    target = (pixels - mean) / (variance + 1e-6).sqrt()
    return F.mse_loss(take(predicted.float(), hidden), take(target, hidden))


class MaskedAutoencoder(nn.Module):
    """A backbone that sees a quarter of the patches, and a decoder behind it."""

    def __init__(self, config: TrainConfig):
        super().__init__()
        self.backbone = build_backbone(config, config.drop_path_rate)
        self.decoder = Decoder(self.backbone)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), noise (B, N) -> pixels (B, N, p * p * 3), and which were hidden (B, M)."""
        order, back = shuffle(noise)
        visible, hidden = order.tensor_split([int(order.shape[1] * (1 - HIDDEN))], dim=1)
        tokens = self.backbone.prepare_tokens(images)  # positions have been added
        beside = tokens.shape[1] - order.shape[1]  # [CLS], and registers of weights begun with
        others, patches = tokens.tensor_split([beside], dim=1)
        x = torch.cat([others, take(patches, visible)], dim=1)
        for block in self.backbone.blocks:
            x = block(x)
        x = self.backbone.norm(x)
        return self.decoder(torch.cat([x[:, :1], x[:, beside:]], dim=1), back), hidden


class MAE(Rival):
    """One global view; the encoder is what is evaluated.

    The spread is that of the pixels painted in one hidden patch of each image.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.crops.n_global = 1
        if hasattr(self.student.backbone, "rope_embed"):
            raise UserError(
                "--objective mae hides patches with their positions; those of a ViT "
                "with rotary ones (DINOv3) lie elsewhere: start from other weights"
            )

    @staticmethod
    def objective(teacher, criterion, student, temp, *views) -> tuple[Tensor, Tensor]:
        images, noise = views
        predicted, hidden = student(images, noise)
        return mae_loss(predicted, images, hidden), take(predicted, hidden[:, :1])[:, 0].detach()

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Raises UserError if there are no patches, or none that would stay visible."""
        c = self.config
        if c.backbone != "vit":
            raise UserError(f"--objective mae hides patches, and {c.backbone} has none; use a ViT")
        if c.global_size < 2 * c.patch_size:
            raise UserError(
                f"global_size {c.global_size} is one patch of {c.patch_size} px, and with "
                f"{HIDDEN:.0%} hidden none is left to see; try --global-size {2 * c.patch_size}"
            )
        student = MaskedAutoencoder(c)
        return student, student

    def _criterion(self) -> nn.Module:
        return nn.Identity()

    def _shown(self, views: tuple[Tensor, ...], labels: Tensor | None) -> tuple[Tensor, ...]:
        """The view, and noise: drawn for the whole batch, whoever has which part of it."""
        c = self.config
        chance = torch.Generator().manual_seed(seed_of(c.seed, "mask", self.now))
        batch, patches = c.batch_size, (c.global_size // c.patch_size) ** 2
        noise = distributed.share(torch.rand(batch, patches, generator=chance))
        return views[0], sent(noise, views[0])
