"""What patches say: their features, how alike they are, and the directions in which they vary.

The components are those of the patches of *all* given pictures, so that a colour means the same
in each of them. The sign of a component is arbitrary; here [CLS] attends to its positive side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from minidino.attention import queries_and_keys
from minidino.vit import VisionTransformer

COLOUR_RANGE = 2.0  # standard deviations from the mean at which a colour is full


@dataclass
class Seen:
    """What the network makes of one picture."""

    file: Path | str
    size: tuple[int, int]  # height and width of the picture in pixels
    attention: Tensor  # (h, w), mean of the heads
    features: Tensor | None  # (h, w, D), of the patches


def patch_features(model: VisionTransformer, images: Tensor) -> Tensor:
    """The last block's patch tokens after the final norm: (B, 3, H, W) floats -> (B, h, w, D)."""
    return _on_grid(model, images, model.get_intermediate_layers(images, 1)[0][:, 1:])


def patch_keys(model: VisionTransformer, images: Tensor) -> Tensor:
    """The last block's keys, those of the heads side by side: (B, 3, H, W) -> (B, h, w, D)."""
    _, keys = queries_and_keys(model, images)
    return _on_grid(model, images, rearrange(keys, "b heads n d -> b n (heads d)"))


def _on_grid(model: VisionTransformer, images: Tensor, tokens: Tensor) -> Tensor:
    h, w = (side // model.patch_size for side in images.shape[-2:])
    return rearrange(tokens[:, -h * w :], "b (h w) d -> b h w d", h=h)


def similarity(features: Tensor, query: Tensor) -> Tensor:
    """Cosine of each patch with a query: (..., D) and (D,) -> (...), from -1 to 1."""
    return F.normalize(features.float(), dim=-1) @ F.normalize(query.float(), dim=-1)


class PatchPCA:
    """The principal components of the patches of pictures that come by one at a time.

    Only sums are kept: of f and f f^T over patches, and over pictures of the mean patch, weighted
    by attention: it decides which side of the mean is positive.

    Args:
        seen: pictures with features (h, w, D).
        count: components, at most D.

    Attributes:
        mean: (D,); directions: (D, count), of length 1, the largest spread first;
        spread: (count,), standard deviations; files: of the pictures that came by.
    """

    def __init__(self, seen: Iterable[Seen], count: int = 3):
        self.files: list[Path | str] = []
        patches, total, squares, attended = 0, 0.0, 0.0, 0.0
        for s in seen:
            self.files.append(s.file)
            f, weight = s.features.flatten(0, 1).double(), s.attention.flatten().double()
            patches += len(f)
            total, squares = total + f.sum(dim=0), squares + f.T @ f
            attended = attended + weight / weight.sum() @ f
        self.mean = total / patches
        values, vectors = torch.linalg.eigh(squares / patches - self.mean.outer(self.mean))
        self.spread = values[-count:].flip(0).clamp(min=0).sqrt()
        directions = vectors[:, -count:].flip(1)
        away = (attended / len(self.files) - self.mean) @ directions
        self.directions = directions * torch.where(away < 0, -1.0, 1.0)

    def project(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., count): where each patch lies along the components; 0 is the mean."""
        return (features.double() - self.mean) @ self.directions

    def colours(self, features: Tensor) -> Tensor:
        """(h, w, D) -> uint8 (3, h, w): the components as red, green and blue; gray is the mean."""
        along = self.project(features) / (COLOUR_RANGE * self.spread.clamp(min=1e-12))
        return ((along.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(-1, 0)
