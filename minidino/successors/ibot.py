"""iBOT: guess what the teacher makes of patches that are hidden (2111.07832, section 3; DINOv2).

In one of each image's two global views, drawn at random, blocks of patches are hidden from the
student: one learned token stands in the place of each. The teacher sees the whole view. A second
head scores patches as DINO's own scores [CLS], and at the hidden ones the student is to agree with
the teacher.
"""

import math
import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from minidino.pixels import sent
from minidino.successors.vit_rope import turns_of
from minidino.vit import VisionTransformer

SHARE = (0.1, 0.5)  # of a view's patches that are hidden
MOST_OBLONG = 1 / 0.3  # a block's longer side over its shorter one


def block_mask(side: int, share: float, chance: random.Random) -> Tensor:
    """(side, side) bool: blocks that hide no more than ``share``, and seldom much less.

    The blocks of BEiT (2106.08254, algorithm 1), of at least a ninth where so much is left.
    """
    mask, least = np.zeros((side, side), dtype=bool), (side // 3) ** 2
    left = max(share * side**2, 1)  # one patch at least, or a small batch may have nothing to guess
    while left >= 1:
        for _ in range(10):
            area = chance.uniform(least, left)
            stretch = math.exp(chance.uniform(-1, 1) * math.log(MOST_OBLONG))
            h, w = round((area * stretch) ** 0.5), round((area / stretch) ** 0.5)
            if h >= side or w >= side:
                continue
            top, at = chance.randint(0, side - h), chance.randint(0, side - w)
            block = mask[top : top + h, at : at + w]
            if 0 < (new := h * w - np.count_nonzero(block)) <= left:
                block[:] = True
                left -= new
                break
        else:
            break  # ten blocks that do not fit
    return torch.from_numpy(mask)


class MaskedCrops:
    """``MultiCrop`` with a mask for each global view: (globals, masks (2 B, N) bool, locals)."""

    def __init__(self, crops: Callable[..., tuple[Tensor, Tensor]], side: int):
        self.crops, self.side = crops, side

    def __call__(
        self, images: Tensor, generator: torch.Generator, part: tuple[int, int] = (0, 1)
    ) -> tuple[Tensor, Tensor, Tensor]:
        globals_, locals_ = self.crops(images, generator, part)
        chance = random.Random(int(torch.randint(2**62, (), generator=generator)))
        (i, n), own = part, len(images)
        masks = torch.zeros(2, n * own, self.side**2, dtype=torch.bool)
        for image in range(n * own):  # of the whole batch, as crops are drawn
            view, share = chance.randrange(2), chance.uniform(*SHARE)
            masks[view, image] = block_mask(self.side, share, chance).flatten()
        mine = masks[:, i * own : (i + 1) * own].flatten(0, 1)
        return globals_, sent(mine, images), locals_


def see_masked(vit: VisionTransformer, images: Tensor, masks: Tensor, token: Tensor) -> Tensor:
    """``forward_features``, but with ``token`` (1, D) in the place of masked patches (B, N)."""
    x, n = vit.prepare_tokens(images), masks.shape[1]
    size = [side // vit.patch_size for side in images.shape[-2:]]
    hidden = token + vit.interpolate_positions(*size)[:, 1:]
    x = torch.cat([x[:, :-n], torch.where(masks[..., None], hidden, x[:, -n:])], dim=1)
    turns = turns_of(vit, images)
    for block in vit.blocks:
        x = block(x, *turns)
    x = vit.norm(x)
    return torch.cat([x[:, :1], x[:, -n:]], dim=1)  # without registers


def hidden_patches(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Where in an image's two views patches are hidden.

    Args:
        masks: (2 B, N), crop-major.

    Returns:
        Indices (B, M) among both views' patches, and which of them are real: an image with fewer
        than M, the most that are ever hidden, is filled up. So no size depends on chance.
    """
    both = torch.cat(masks.chunk(2), dim=1)
    most = int(SHARE[1] * masks.shape[1])
    index = both.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    return index, both.gather(1, index)


def at(patches: Tensor, index: Tensor) -> Tensor:
    """Of both views' patches (2 B, N, D) those at (B, M): (B, M, D)."""
    both = torch.cat(patches.chunk(2), dim=1)
    return both.gather(1, index[..., None].expand(-1, -1, patches.shape[-1]))


def patch_loss(student: Tensor, q: Tensor, real: Tensor) -> Tensor:
    """Mean over all 2 B views of the mean cross-entropy at a view's hidden patches; a scalar.

    Args:
        student: (B, M, K) logits over their temperature.
        q: (B, M, K) targets.
        real: (B, M), false where an image is filled up. The view without a mask counts as 0.
    """
    entropies = student.logsumexp(dim=-1) - (student * q).sum(dim=-1)
    weights = real / real.sum(dim=1, keepdim=True).clamp(min=1)
    return (entropies * weights).sum() / (2 * len(real))
