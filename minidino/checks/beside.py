"""Your picture beside the right one, where a wrong answer is easier seen than said.

Each entry of ``PICTURES`` asks the learner's function for something that can be looked at, and the
package or a library for the same. Nothing here decides whether an answer is right.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from minidino import attention, crops, pixels
from minidino.data.things import ThingsOnStuff
from minidino.engine.chance import seeded
from minidino.using.cut import largest_piece
from minidino.using.patches import patch_features
from minidino.weights.pretrained import load_pretrained

SIDE, PATCH = 60, 6  # pixels
Pair = tuple[Tensor, Tensor]  # what the learner's function gave, and what is right, for imshow
PICTURES: dict[str, Callable[[Callable], Pair]] = {}
RANDOM = ("3.3",)  # both draw random numbers of their own, and agree only in kind


def show(number: str, answer: Callable) -> None:
    """Draw both, in a notebook, if there is a difference to be seen."""
    if number not in PICTURES or not _in_a_notebook():
        return
    try:
        yours, right = pair(number, answer)
    except Exception:  # of another kind, or an error of its own: the words have said it
        return
    if yours.shape != right.shape or torch.allclose(yours, right, atol=1 / 255):
        return
    _, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
    titles = ("yours", "right, by other draws" if number in RANDOM else "right")
    for ax, picture, title in zip(axes, (yours, right), titles, strict=True):
        ax.imshow(picture.clamp(0, 1), vmin=0, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    plt.show()


def pair(number: str, answer: Callable) -> Pair:
    """Yours and the right one, (H, W) or (H, W, 3) in 0..1; raises whatever the answer raises."""

    def safe(*given: Any) -> Any:  # what it changes in place is its own
        return answer(*(g.clone() if isinstance(g, Tensor) else g for g in given))

    with seeded(0):
        return tuple(t.detach().float().cpu() for t in PICTURES[number](safe))


def _in_a_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def _picture(number: str) -> Callable:
    def keep(draw: Callable[[Callable], Pair]) -> Callable:
        PICTURES[number] = draw
        return draw

    return keep


@cache
def _things() -> Tensor:
    """uint8 (2, 3, SIDE, SIDE)."""
    return ThingsOnStuff(n=2, size=SIDE, seed=3).images


@cache
def _seen() -> tuple[Tensor, Tensor, Tensor]:
    """Of the shipped weights: the last attention, its maps and the patch features."""
    model, images = load_pretrained("minidino_things"), pixels.normalize(_things())
    with torch.no_grad():
        return (
            model.get_last_selfattention(images),
            attention.attention_maps(model, images),
            patch_features(model, images),
        )


def _row(images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..1 -> (H, B W, 3), side by side."""
    return rearrange(images, "b c h w -> h (b w) c")


def _outlined(picture: Tensor, boxes: list) -> Tensor:
    """uint8 (3, H, W) with white outlines of boxes (top, left, height, width)."""
    out = picture / 255
    for top, left, height, width in boxes:
        out[:, [top, top + height - 1], left : left + width] = 1
        out[:, top : top + height, [left, left + width - 1]] = 1
    return out.permute(1, 2, 0)


@_picture("2.1")
def _patches(patchify: Callable) -> Pair:
    images = _things()[:, :, :48] / 255  # not square
    tokens = patchify(images, PATCH)
    again = rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=8, p=PATCH, q=PATCH)
    return _row(again), _row(images)


@_picture("3.1")
def _rings(resize_matrix: Callable) -> Pair:
    y, x = (torch.arange(128) + 0.5 - at for at in (40, 84))
    rings = 0.5 + 0.5 * torch.cos(0.016 * (y[:, None] ** 2 + x**2))
    matrix = resize_matrix(8, 96, 128, 32)
    cut = rings[None, None, 8:104, 8:104]
    right = F.interpolate(cut, size=32, mode="bilinear", antialias=True)[0, 0]
    return matrix @ rings @ matrix.T, right


@_picture("3.2")
def _crop(crop_resize: Callable) -> Pair:
    def part(start: int, length: int) -> Tensor:
        """(24, SIDE): a crop of an axis, resized by the library."""
        cut = torch.eye(SIDE)[None, start : start + length].mT
        return F.interpolate(cut, size=24, mode="linear")[0].T

    rows = torch.stack([part(5, 40), part(20, 30)])
    columns = torch.stack([part(18, 40), part(2, 50)])
    flip = torch.tensor([True, False])
    right = rows[:, None] @ (_things() / 255) @ columns[:, None].mT
    right = torch.where(flip[:, None, None, None], right.flip(-1), right)
    return _row(crop_resize(_things(), rows, columns, flip)), _row(right)


@_picture("3.3")
def _boxes(draw_boxes: Callable) -> Pair:
    n, scale, chance = 8, (0.1, 0.4), torch.Generator().manual_seed(0)
    theirs = draw_boxes(n, SIDE, SIDE, scale, chance).tolist()
    never = torch.zeros(n)
    right = crops.draw(n, (SIDE, SIDE), scale, crops.Appearance(), never, never, chance).box
    return _outlined(_things()[0], theirs), _outlined(_things()[0], right.tolist())


@_picture("3.4")
def _colours(recolor: Callable) -> Pair:
    from torchvision.transforms import functional  # here: it takes as long to import as torch

    x, solarized = _things() / 255, torch.tensor([False, True])
    factors = torch.tensor([[1.3, 0.6, 1.6], [0.8, 1.4, 0.3]])
    each = []
    for image, own, inverted in zip(x, factors.tolist(), solarized, strict=True):
        for name, factor in zip(("brightness", "contrast", "saturation"), own, strict=True):
            image = getattr(functional, f"adjust_{name}")(image, factor)
        each.append(functional.solarize(image, 128 / 255) if inverted else image)
    return _row(recolor(x, factors, solarized)), _row(torch.stack(each))


@_picture("3.5")
def _blur(gaussian_blur: Callable) -> Pair:
    x, sigma = _things() / 255, torch.tensor([0.6, 3.0])
    return _row(gaussian_blur(x, sigma)), _row(pixels.gaussian_blur(x, sigma))


@_picture("9.1")
def _looks(attention_maps: Callable) -> Pair:
    matrix, maps, _ = _seen()
    yours = attention_maps(matrix, SIDE // PATCH, SIDE // PATCH)
    some = "b heads h w -> (b h) (heads w)"
    return tuple(rearrange(m[:, :3] / maps[:, :3].amax(), some) for m in (yours, maps))


@_picture("9.2")
def _kept(mass_mask: Callable) -> Pair:
    maps = _seen()[1].mean(1) * torch.tensor([1.0, 3.0])[:, None, None]
    masks = mass_mask(maps, 0.6), attention.mass_mask(maps, 0.6)
    return tuple(rearrange(m, "b h w -> h (b w)") for m in masks)


@_picture("11.3")
def _box(attention_box: Callable) -> Pair:
    one = _seen()[1][0].mean(0)
    x0, y0, x1, y1 = attention_box(one, PATCH, 0.6)
    ys, xs = (v * PATCH for v in largest_piece(attention.mass_mask(one, 0.6)).nonzero().T)
    right = [v.item() for v in (ys.min(), xs.min(), PATCH + ys.max() - ys.min(),
                                PATCH + xs.max() - xs.min())]  # fmt: skip
    boxes = ([(y0, x0, y1 - y0, x1 - x0)], [right])
    return tuple(_outlined(_things()[0], box) for box in boxes)


@_picture("11.4")
def _components(pca_colours: Callable) -> Pair:
    features = _seen()[2]
    x = features.flatten(0, 2) - features.flatten(0, 2).mean(0)
    v = torch.linalg.svd(x, full_matrices=False).Vh[:3].T
    y = x @ (v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign())
    y = (y - y.amin(0)) / (y.amax(0) - y.amin(0))
    both = pca_colours(features), y.view(*features.shape[:3], 3)
    return tuple(rearrange(t, "b h w c -> h (b w) c") for t in both)


@_picture("13.6")
def _restored(mask_and_restore: Callable) -> Pair:
    tokens = rearrange(_things() / 255, "b c (h p) (w q) -> b (h w) (p q c)", p=PATCH, q=PATCH)
    noise, gray = torch.rand(tokens.shape[:2]), torch.full(tokens.shape[-1:], 0.5)

    def darker(kept: Tensor) -> Tensor:  # in place of an encoder
        return 0.8 * kept

    yours, mask = mask_and_restore(tokens, noise, 50, darker, gray)
    hidden = noise >= noise.sort().values[:, 50:51]
    right = torch.where(hidden[..., None], gray, darker(tokens))

    def drawn(full: Tensor, mask: Tensor) -> Tensor:
        """The patches, and below them the mask."""
        full = rearrange(full, "b (h w) (p q c) -> (h p) (b w q) c", h=10, p=PATCH, q=PATCH)
        below = rearrange(mask.float(), "b (h w) -> h (b w)", h=10)
        below = below.repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
        return torch.cat([full, below[..., None].expand(-1, -1, 3)])

    return drawn(yours, mask), drawn(right, hidden)
