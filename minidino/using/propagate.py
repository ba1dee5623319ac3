"""Labels carried through a video by features alone (DINO, section 4.2.2, after 1906.05905).

A patch takes the labels of the five patches most like it, among those within 12 rows and columns
in the first frame and in the last seven. Nothing is trained for it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.pixels import normalize
from minidino.using.patches import patch_features
from minidino.vit import VisionTransformer

LAST_FRAMES, RADIUS, TOP, TEMPERATURE = 7, 12, 5, 0.1  # the paper's


def near(h: int, w: int, radius: int) -> Tensor:
    """bool (h w, h w): are two patches at most ``radius`` rows and as many columns apart?"""
    row, column = torch.arange(h * w) // w, torch.arange(h * w) % w
    return torch.maximum((row[:, None] - row).abs(), (column[:, None] - column).abs()) <= radius


def carry(
    features: Tensor,
    sources: Sequence[tuple[Tensor, Tensor]],
    allowed: Tensor,
    top: int = TOP,
    temperature: float = TEMPERATURE,
) -> Tensor:
    """Labels of one frame's patches, from those of others.

    Args:
        features: (N, D), of length 1.
        sources: features (N, D) and labels (N, C) of each earlier frame.
        allowed: bool (N, N): may this patch take labels of that one?

    Returns:
        (N, C): of the ``top`` most alike, weighted by softmax(cosine / temperature).
    """
    cosines, labels = [], []
    for theirs, known in sources:  # the best of each frame, as all pairs of all would be large
        cosine = (features @ theirs.T).masked_fill(~allowed, -torch.inf)
        best, patch = cosine.topk(min(top, len(theirs)), dim=1)
        cosines.append(best)
        labels.append(known[patch])
    best, which = torch.cat(cosines, dim=1).topk(min(top, len(features)), dim=1)
    labels = torch.cat(labels, dim=1)  # (N, candidates, C)
    chosen = labels.gather(1, which[..., None].expand(-1, -1, labels.shape[-1]))
    return ((best / temperature).softmax(dim=1)[..., None] * chosen).sum(dim=1)


def propagate(features: Iterable[Tensor], first: Tensor) -> Iterator[Tensor]:
    """Labels of each frame, carried on from the first.

    Args:
        features: (h, w, D) of one frame after the other, the first included.
        first: (C, h, w), the share of each label in the patches of the first frame.

    Returns:
        (C, h, w) for each frame, the first included.
    """
    count, h, w = first.shape
    known, last = first.flatten(1).T, deque(maxlen=LAST_FRAMES)
    beginning = None
    for frame in features:
        patches = F.normalize(frame.flatten(0, 1), dim=1)
        if beginning is None:
            beginning = (patches, known.to(patches))
            allowed = near(h, w, RADIUS).to(patches.device)
            yield first
            continue
        labels = carry(patches, [beginning, *last], allowed)
        last.append((patches, labels))
        yield labels.T.reshape(count, h, w)


def shares(labels: Tensor, things: Sequence[int], grid: tuple[int, int]) -> Tensor:
    """A mask's labels (H, W) as (1 + things, h, w) of 0 and 1: what the middle of a patch has."""
    middle = F.interpolate(labels[None, None].float(), size=grid, mode="nearest-exact")[0, 0]
    return torch.stack([middle == label for label in (0, *things)]).float()


def decided(shares: Tensor, things: Sequence[int], size: tuple[int, int]) -> Tensor:
    """The label of each pixel, uint8 ``size``, of shares (1 + things, h, w).

    As in the paper's code each label's shares are stretched to 0..1 before the largest wins.
    """
    large = F.interpolate(shares[None], size=size, mode="bilinear", align_corners=False)[0]
    low, high = large.amin((1, 2), keepdim=True), large.amax((1, 2), keepdim=True)
    stretched = torch.where(high > 0, (large - low) / (high - low).clamp(min=1e-12), large)
    labels = torch.tensor([0, *things], dtype=torch.uint8)
    return labels[stretched.argmax(dim=0).cpu()]


@torch.no_grad()
def follow(
    model: VisionTransformer, frames: Iterable[Tensor], first: Tensor, size: tuple[int, int]
) -> Iterator[Tensor]:
    """The things of the first frame's mask in every frame.

    Args:
        frames: uint8 (3, H, W) each, of one size, multiples of the patch size.
        first: labels, of any size: uint8, 0 for no thing.
        size: height and width of what is returned.

    Returns:
        labels, uint8 ``size``, for each frame; of the first what is left of its mask in patches.
    """
    device, p = next(model.parameters()).device, model.patch_size
    things = [i for i in first.unique().tolist() if i]
    frames = iter(frames)
    beginning = next(frames)
    grid = (beginning.shape[-2] // p, beginning.shape[-1] // p)
    images = (normalize(f[None].to(device)) for f in chain([beginning], frames))
    features = (patch_features(model, x)[0].float() for x in images)
    for found in propagate(features, shares(first, things, grid)):
        yield decided(found, things, size)
