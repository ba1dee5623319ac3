"""Your picture beside the right one, under a wrong answer of which a picture tells more than words.

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
from matplotlib.figure import Figure
from torch import Tensor

from minidino import attention, crops, pixels
from minidino.data.things import ThingsOnStuff
from minidino.using.cut import largest_piece
from minidino.using.patches import patch_features
from minidino.weights.pretrained import load_pretrained

SIDE = 60  # pixels
Drawn = tuple[Any, Any]  # what the learner's function gave and what is right, as imshow takes them
PICTURES: dict[str, Callable[[Callable], Drawn]] = {}
RANDOM = ("3.3",)  # both draw their own random numbers, and agree only in kind


def show(number: str, answer: Callable) -> None:
    """Draw both, in a notebook, if the answer gives anything that can be drawn."""
    if number not in PICTURES or not _in_a_notebook():
        return
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            drawn(number, answer)
    except Exception:  # of another shape, or an error of its own: the words have said it
        return
    plt.show()


def drawn(number: str, answer: Callable) -> Figure:
    """The figure of an exercise in ``PICTURES``; raises what the answer raises."""
    pictures = PICTURES[number](answer)
    titles = "yours", "right, by other draws" if number in RANDOM else "right"
    figure, axes = plt.subplots(1, 2, figsize=(5.6, 2.9))
    for ax, picture, title in zip(axes, pictures, titles, strict=True):
        ax.imshow(torch.as_tensor(picture).detach().float().numpy(), vmin=0, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    return figure


def _in_a_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def _picture(number: str) -> Callable:
    def keep(draw: Callable[[Callable], Drawn]) -> Callable:
        PICTURES[number] = draw
        return draw

    return keep


@cache
def _things() -> ThingsOnStuff:
    return ThingsOnStuff(n=8, size=SIDE, seed=3)


def _thing() -> Tensor:
    """uint8 (1, 3, SIDE, SIDE)."""
    return _things().images[:1]


def _last(images: Tensor) -> Tensor:
    """(3, H, W) of the first image in 0..1, as imshow takes it."""
    return images[0].clamp(0, 1).permute(1, 2, 0)


@cache
def _seen() -> tuple[Tensor, Tensor, Tensor]:
    """Of the shipped weights: the last attention, its maps and the patch features."""
    model, images = load_pretrained("minidino_things"), pixels.normalize(_things().images)
    with torch.no_grad():
        return (
            model.get_last_selfattention(images),
            attention.attention_maps(model, images),
            patch_features(model, images),
        )


def _brightest(maps: Tensor) -> Tensor:
    return maps / maps.amax()


def _outlined(picture: Tensor, boxes: Tensor) -> Tensor:
    """uint8 (3, H, W) with white outlines of boxes (top, left, height, width), for imshow."""
    out = (picture.float() / 255).clone()
    for top, left, height, width in torch.as_tensor(boxes).tolist():
        for y in (top, top + height - 1):
            out[:, y, left : left + width] = 1
        for x in (left, left + width - 1):
            out[:, top : top + height, x] = 1
    return out.permute(1, 2, 0)


@_picture("2.1")
def _patches(patchify: Callable) -> Drawn:
    images = _thing() / 255
    again = rearrange(patchify(images, 6), "b (h w) (c p q) -> b c (h p) (w q)", h=10, p=6, q=6)
    return _last(again), _last(images)


def _one_axis(size: int) -> Tensor:
    """(1, size, SIDE), made by the library: the middle two thirds, resized."""
    cut = torch.eye(SIDE)[10:50]
    return F.interpolate(cut.T[:, None], size=size, mode="linear").squeeze(1).T[None]


@_picture("3.1")
def _rings(resize_matrix: Callable) -> Drawn:
    at = torch.arange(128) + 0.5 - 64
    rings = 0.5 + 0.5 * torch.cos(0.02 * (at[:, None] ** 2 + at**2))
    matrix = resize_matrix(16, 96, 128, 32)
    cut = rings[None, None, 16:112, 16:112]
    right = F.interpolate(cut, size=32, mode="bilinear", antialias=True)[0, 0]
    return matrix @ rings @ matrix.T, right


@_picture("3.2")
def _crop(crop_resize: Callable) -> Drawn:
    matrix = _one_axis(40)
    flipped = _thing().flip(-1) / 255
    right = torch.einsum("nsh,nchw,ntw->ncst", matrix, flipped, _one_axis(40))
    return _last(crop_resize(_thing(), matrix, matrix, torch.tensor([True]))), _last(right)


@_picture("3.3")
def _boxes(draw_boxes: Callable) -> Drawn:
    n, scale, chance = 8, (0.1, 0.4), torch.Generator().manual_seed(0)
    theirs = draw_boxes(n, SIDE, SIDE, scale, chance)
    never = torch.zeros(n)
    right = crops.draw(n, (SIDE, SIDE), scale, crops.Appearance(), never, never, chance).box
    return _outlined(_thing()[0], theirs), _outlined(_thing()[0], right)


@_picture("3.4")
def _colours(recolor: Callable) -> Drawn:
    from torchvision.transforms import functional  # here: it takes as long to import as torch

    x, factors = _thing() / 255, torch.tensor([[1.3, 0.6, 1.6]])
    right = x
    for adjust, factor in zip(("brightness", "contrast", "saturation"), factors[0], strict=True):
        right = getattr(functional, f"adjust_{adjust}")(right, factor.item())
    solarized = functional.solarize(right, 128 / 255)
    return _last(recolor(x, factors, torch.tensor([True]))), _last(solarized)


@_picture("3.5")
def _blur(gaussian_blur: Callable) -> Drawn:
    x, sigma = _thing() / 255, torch.tensor([2.0])
    return _last(gaussian_blur(x, sigma)), _last(pixels.gaussian_blur(x, sigma))


@_picture("9.1")
def _looks(attention_maps: Callable) -> Drawn:
    matrix, maps, _ = _seen()
    yours = attention_maps(matrix[:1], SIDE // 6, SIDE // 6)[0]
    return _brightest(yours.mean(0)), _brightest(maps[0].mean(0))


@_picture("9.2")
def _kept(mass_mask: Callable) -> Drawn:
    maps = _seen()[1][:1].mean(1)
    return mass_mask(maps, 0.6)[0], attention.mass_mask(maps, 0.6)[0]


@_picture("11.3")
def _box(attention_box: Callable) -> Drawn:
    one = _seen()[1][0].mean(0)
    x0, y0, x1, y1 = attention_box(one, 6, 0.6)
    ys, xs = largest_piece(attention.mass_mask(one, 0.6)).nonzero().T * 6
    right = ys.min(), xs.min(), ys.max() + 6 - ys.min(), xs.max() + 6 - xs.min()
    boxes = (torch.tensor([box]) for box in ((y0, x0, y1 - y0, x1 - x0), right))
    return tuple(_outlined(_thing()[0], box) for box in boxes)


@_picture("11.4")
def _components(pca_colours: Callable) -> Drawn:
    features = _seen()[2][:4]
    x = features.flatten(0, 2) - features.flatten(0, 2).mean(0)
    v = torch.linalg.svd(x, full_matrices=False).Vh[:3].T
    y = x @ (v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign())
    y = (y - y.amin(0)) / (y.amax(0) - y.amin(0))
    side_by_side = "(a b) h w c -> (a h) (b w) c"
    yours = pca_colours(features)
    right = y.view(*features.shape[:3], 3)
    return tuple(rearrange(t, side_by_side, a=2) for t in (yours, right))


@_picture("13.6")
def _restored(mask_and_restore: Callable) -> Drawn:
    tokens = rearrange(_thing() / 255, "b c (h p) (w q) -> b (h w) (p q c)", p=6, q=6)
    noise = torch.rand(1, tokens.shape[1])
    gray = torch.full(tokens.shape[-1:], 0.5)
    yours, _ = mask_and_restore(tokens, noise, 50, torch.nn.Identity(), gray)
    hidden = noise >= noise.sort().values[:, 50:51]
    right = torch.where(hidden[..., None], gray, tokens)
    back = "b (h w) (p q c) -> (b h p) (w q) c"
    return tuple(rearrange(t, back, h=SIDE // 6, p=6, q=6) for t in (yours, right))
