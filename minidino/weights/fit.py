"""Weights that our ViT holds in another form: of pictures normalised with other numbers, other
channels than three, positions of a rectangle.

The ViT sees three channels, less ImageNet's mean and over its standard deviation, and keeps the
positions of a square. What is assumed on the way is told in a line each.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.errors import UserError
from minidino.pixels import IMAGENET_MEAN, IMAGENET_STD, LUMA
from minidino.successors.by_shape import is_rotary
from minidino.weights.beside import Normalisation
from minidino.weights.names import Weights

Grid = tuple[int, int]


def fitted(
    weights: Weights, grid: Grid | None, normalised: Normalisation | None, where: str
) -> tuple[Weights, list[str]]:
    """The same network for three channels and a square grid, and lines about what was done.

    Args:
        weights: of a ViT, by our names.
        grid: rows and columns of the patches that the positions are of, if they form no square.
        normalised: mean and standard deviation that the network expects pictures to have been
            normalised with, where they are known.
        where: what messages call the weights.

    Raises:
        UserError: if the channels or the positions cannot be told.
    """
    if "cls_token" not in weights:
        raise UserError(f"{where} has no [CLS] token (cls_token), which features are read from")
    weights, about_numbers = _for_our_pixels(weights, normalised)
    kernel, about_channels = _three_channels(weights["patch_embed.proj.weight"], where)
    changed, about_positions = {"patch_embed.proj.weight": kernel}, ""
    if is_rotary(weights) and grid is not None:
        raise UserError(f"{where} has no learned positions, so they form no grid; no --grid")
    if not is_rotary(weights):
        changed["pos_embed"], about_positions = _square(weights["pos_embed"], grid, where)
    about = (about_numbers, about_channels, about_positions)
    return weights | changed, [f"{where}: {line}" for line in about if line]


def _for_our_pixels(weights: Weights, normalised: Normalisation | None) -> tuple[Weights, str]:
    """The same network for pictures less ImageNet's mean and over its standard deviation.

    (p - m) / s = x s'/s + (m' - m) / s of our x = (p - m') / s'; the patch embedding pads nothing,
    so its kernel and bias take that over exactly.
    """
    kernel, bias = (weights.get(f"patch_embed.proj.{part}") for part in ("weight", "bias"))
    ours = list(IMAGENET_MEAN), list(IMAGENET_STD)
    if normalised is None or bias is None or kernel.shape[1] != 3 or len(normalised[0]) != 3:
        return weights, ""
    if torch.allclose(torch.tensor(normalised), torch.tensor(ours), rtol=0, atol=1e-3):
        return weights, ""
    (mean, std), (our_mean, our_std) = torch.tensor(normalised).double(), torch.tensor(ours)
    shift = kernel.double() * ((our_mean - mean) / std).view(3, 1, 1)
    bias = (bias.double() + shift.sum(dim=(1, 2, 3))).float()
    kernel = (kernel.double() * (our_std / std).view(3, 1, 1)).float()
    told = ", ".join(f"{m:.3g} and {s:.3g}" for m, s in zip(*normalised, strict=True))
    return weights | {"patch_embed.proj.weight": kernel, "patch_embed.proj.bias": bias}, (
        f"expects pictures less and over {told} by the configuration beside it; it is given them"
    )


def _three_channels(kernel: Tensor, where: str) -> tuple[Tensor, str]:
    """(D, C, p, p) -> (D, 3, p, p), and what it sees of a picture if it is not all of it."""
    channels = kernel.shape[1]
    if channels == 1:
        # Luma of a picture, less that of ImageNet's mean, over s, is a mix of the normalised
        # channels: sum_c l_c (s_c x_c + m_c) - sum_c l_c m_c = sum_c l_c s_c x_c.
        share = torch.tensor(LUMA) * torch.tensor(IMAGENET_STD)
        mean = sum(luma * m for luma, m in zip(LUMA, IMAGENET_MEAN, strict=True))
        return kernel.float() * (share / share.sum()).view(3, 1, 1), (
            f"has 1 input channel; it is fed the gray picture (luma), less {mean:.3f} and over "
            f"{share.sum():.3f} (ImageNet's, as for colours)"
        )
    if channels == 4:
        return kernel[:, :3], (
            "has 4 input channels; the first three are fed red, green and blue, the last zeros"
        )
    if channels != 3:
        raise UserError(
            f"{where} has {channels} input channels, and nothing tells what a picture has for "
            "each; 1 (gray), 3 (RGB) or 4 (RGB and one more) can be fed"
        )
    return kernel, ""


def _square(positions: Tensor, grid: Grid | None, where: str) -> tuple[Tensor, str]:
    """(1, 1 + h w, D) -> (1, 1 + n n, D), n the longer side, and what was done to get there."""
    tokens = positions.shape[1]
    side = math.isqrt(max(tokens - 1, 0))
    if grid is None and tokens == 1 + side * side:
        return positions, ""
    if grid is None:
        raise UserError(
            f"{where} has {tokens} positions, which is not 1 (of [CLS]) + a square: if they are of "
            "a rectangle, give its rows and columns (--grid 4x6), for train --init to minidino "
            "export --to safetensors, whose file has a square; without one of [CLS], or with those "
            "of other tokens, they fit no ViT of DINO's"
        )
    h, w = grid
    if min(grid) < 1 or tokens != 1 + h * w:
        raise UserError(f"{where} has {tokens} positions, not 1 + {h} x {w}")
    if h == w:
        return positions, ""
    n = max(grid)
    rectangle = positions[:, 1:].float().mT.unflatten(-1, grid)  # (1, D, h, w)
    square = F.interpolate(rectangle, size=(n, n), mode="bicubic", align_corners=False)
    square = torch.cat([positions[:, :1].float(), square.flatten(2).mT], dim=1)
    return square, f"its positions of {h} x {w} patches were interpolated to {n} x {n}"
