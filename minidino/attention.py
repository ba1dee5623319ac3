"""Where the [CLS] token looks, and how well that covers the thing (DINO, section 4.2.2).

The last block's [CLS] row is one map per head over the patches. Keeping the smallest set of
patches that holds 60% of a map's mass gives a mask, and the Jaccard index scores it against
the true one. All of this works at any image size and shape that patches divide.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from minidino.convnet import ConvNet
from minidino.evaluate import images_at_once
from minidino.pixels import normalize
from minidino.vit import VisionTransformer


@torch.no_grad()
def attention_maps(
    model: VisionTransformer | ConvNet,
    images: Tensor,
    layer: int | None = None,
    patch: tuple[int, int] | None = None,
    register: int | None = None,
) -> Tensor:
    """Attention to the patches, of the last block's [CLS] query or of another.

    Args:
        model: a VisionTransformer; of a ConvNet, which has no attention, the mean of its last
            map stands in, as one head.
        images: normalised floats (B, 3, H, W), H and W multiples of the patch size; they are sent
            to the model's device.
        layer: the block, counted from 1; by default the last.
        patch: row and column, from 0, of the patch that looks; by default [CLS] does.
        register: the register that looks, counted from 1 (2309.16588, figure 9).

    Returns:
        (B, heads, h, w), on the model's device. A map sums to 1 less what goes to [CLS] (and to
        registers).

    Raises:
        TypeError: if the images are bytes.
        ValueError: if there is no such layer, patch or register, or both of the last are given.
    """
    if not images.is_floating_point():
        raise TypeError(
            f"expected normalised floats (B, 3, H, W), got {images.dtype} "
            f"{tuple(images.shape)}; minidino.pixels.normalize makes them of bytes"
        )
    images = images.to(next(model.parameters()).device)
    if isinstance(model, ConvNet):
        if (layer, patch, register) != (None, None, None):
            raise ValueError("a ResNet has no layer, patch or register that attends")
        return model.activation_map(images)
    h, w = (side // model.patch_size for side in images.shape[-2:])
    if (layer, patch, register) == (None, None, None):
        to_patches = model.get_last_selfattention(images, cls_only=True)[:, :, 0, 1:]
    else:
        q, k = queries_and_keys(model, images, layer)
        row = _row_that_looks(k.shape[2] - 1 - h * w, (h, w), patch, register)
        scores = (k @ q[:, :, row, :, None])[..., 0] * q.shape[-1] ** -0.5
        to_patches = scores.softmax(dim=-1)[..., -h * w :]
    return rearrange(to_patches, "b heads (h w) -> b heads h w", h=h)


def _row_that_looks(
    registers: int, grid: tuple[int, int], patch: tuple[int, int] | None, register: int | None
) -> int:
    """Its position among [CLS], registers and patches; raises ValueError if there is none."""
    if patch is not None and register is not None:
        raise ValueError("a patch looks or a register, not both")
    if patch is not None:
        return 1 + registers + patch_index(patch, *grid)
    if register is not None and not 1 <= register <= registers:
        there = f"they are 1 to {registers}" if registers else "this network has none"
        raise ValueError(f"there is no register {register}; {there}")
    return register or 0


@torch.no_grad()
def queries_and_keys(
    model: VisionTransformer, images: Tensor, layer: int | None = None
) -> tuple[Tensor, Tensor]:
    """What a block's attention compares; softmax(q k^T / sqrt(d)) is its attention.

    Args:
        images: normalised floats (B, 3, H, W).
        layer: the block, counted from 1; by default the last.

    Returns:
        two of (B, heads, tokens, d): [CLS], registers if there are some, patches row by row.

    Raises:
        ValueError: if there is no such layer.
    """
    layer = model.depth if layer is None else layer
    if not 1 <= layer <= model.depth:
        raise ValueError(f"there is no layer {layer}; the blocks are 1 to {model.depth}")
    found = []

    def project(attention, inputs):  # the tokens and, where positions are turns, the turn
        found.extend(attention.project(*inputs)[:2])

    hook = model.blocks[layer - 1].attn.register_forward_pre_hook(project)
    try:
        model.forward_features(images)
    finally:
        hook.remove()
    return tuple(found)


def patch_index(patch: tuple[int, int], h: int, w: int) -> int:
    """Position of a patch (row, column) among h x w in a row; both are counted from 0.

    Raises:
        ValueError: if it lies outside.
    """
    y, x = patch
    if not (0 <= y < h and 0 <= x < w):
        raise ValueError(
            f"patch {y},{x} is outside: there are {h} rows and {w} columns, counted from 0"
        )
    return y * w + x


def mass_mask(maps: Tensor, keep: float = 0.6) -> Tensor:
    """The smallest set of patches that holds at least ``keep`` of each map's mass.

    Args:
        maps: (..., h, w), not negative.
        keep: share of the mass, in (0, 1].

    Returns:
        bool, same shape.

    Raises:
        ValueError: if ``keep`` is outside (0, 1].

    >>> mass_mask(torch.tensor([[0.5, 0.3], [0.1, 0.1]])).tolist()
    [[True, True], [False, False]]
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is {keep}; it is a share of the mass, in (0, 1]")
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=True)
    before = mass.cumsum(dim=-1) - mass  # mass of the patches ahead in the order
    kept = before < keep * mass.sum(dim=-1, keepdim=True)
    mask = torch.zeros_like(kept).scatter(-1, order, kept)
    return mask.view(maps.shape)


def jaccard(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Intersection over union of boolean masks (..., H, W) -> (...,); 1 if both are empty.

    Pixels where ``valid`` is false count for neither (the void border of VOC's masks).

    >>> mask, target = torch.tensor([[True, True, True]]), torch.tensor([[True, False, False]])
    >>> jaccard(mask, target, valid=torch.tensor([[True, True, False]])).item()
    0.5
    """
    if valid is not None:
        mask, target = mask & valid, target & valid
    overlap = (mask & target).sum(dim=(-2, -1)).float()
    union = (mask | target).sum(dim=(-2, -1)).float()
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0)


def upsample_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest-neighbour upsampling of boolean (..., h, w) to (..., H, W)."""
    flat = mask.byte().flatten(0, -3)[None]  # a true mask may have many millions of pixels
    return F.interpolate(flat, size=size, mode="nearest")[0].bool().view(*mask.shape[:-2], *size)


@dataclass
class AttentionScores:
    """Jaccard index of 60%-mass masks against the true masks.

    Attributes:
        per_image: (N, heads).
        mean_map: (N,), of the mask of the heads' average map.
    """

    per_image: Tensor
    mean_map: Tensor

    @property
    def heads(self) -> Tensor:
        """(heads,): the mean over images of each head."""
        return self.per_image.mean(dim=0)

    @property
    def best_head(self) -> float:
        """Mean over images of the best head in each: the paper's measure."""
        return self.per_image.amax(dim=1).mean().item()

    @property
    def mean(self) -> float:
        """Mean over images of the average map's score."""
        return self.mean_map.mean().item()


@torch.no_grad()
def score_attention(
    model: VisionTransformer,
    images: Tensor,
    masks: Tensor,
    keep: float = 0.6,
    batch_size: int | None = None,
) -> AttentionScores:
    """Score every head of the last block, and their mean, against true masks.

    Args:
        model: a VisionTransformer, in eval mode.
        images: uint8 (N, 3, H, W).
        masks: bool (N, H, W).
        batch_size: images at a time; by default what suits device and memory.
    """
    device = next(model.parameters()).device
    batch_size = batch_size or images_at_once(model, *images.shape[-2:])
    per_image, mean_map = [], []
    for some, truth in zip(images.split(batch_size), masks.split(batch_size), strict=True):
        maps = attention_maps(model, normalize(some.to(device))).float().cpu()
        truth = truth.cpu()[:, None]
        size = tuple(truth.shape[-2:])
        per_image.append(jaccard(upsample_mask(mass_mask(maps, keep), size), truth))
        mean = mass_mask(maps.mean(dim=1, keepdim=True), keep)
        mean_map.append(jaccard(upsample_mask(mean, size), truth)[:, 0])
    return AttentionScores(torch.cat(per_image), torch.cat(mean_map))
