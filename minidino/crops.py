"""Multi-crop: a batch of uint8 images in, augmented views out, on the images' own device.

The recipe is the official one (DINO, section 3.2): random resized crop, flip, colour jitter,
grayscale, blur, solarize. Where the official code runs PIL on one view at a time, everything
here is a batched tensor operation, yet each image and each view has draws of its own:

* Cropping, antialiased bicubic resizing and flipping are linear, so each is two small
  matrices per view: one mixes rows, the other columns.
* The draws (a few numbers per view) are made on the CPU and sent to the device. The same
  generator therefore gives the same views on every device, and which views are blurred or
  solarized is known without asking the device.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from minidino.pixels import (
    color_jitter,
    crop_resize,
    gaussian_blur,
    luma,
    sent,
    solarize,
    standardize,
)


@dataclass(frozen=True)
class Appearance:
    """How a view's colours and sharpness are changed; the recipe paper-vits16 has the official
    values."""

    jitter_p: float = 0.8
    """Probability of colour jitter."""
    brightness: float = 0.4
    """Brightness is multiplied by U(1 - b, 1 + b); contrast and saturation likewise."""
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    """Hue turns by U(-hue, hue) of the full circle; at most 0.5."""
    grayscale_p: float = 0.2
    """Probability of losing the colours."""
    blur_p: tuple[float, float, float] = (1.0, 0.1, 0.5)
    """Probability of blur: first global view, the other global views, local views."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the blur's standard deviation, in pixels of the view."""
    solarize_p: float = 0.2
    """Probability, in the second global view only, that bright pixels are inverted."""


@dataclass
class Draws:
    """What chance decided for n views; every field has n rows."""

    box: Tensor  # (n, 4) int: top, left, height, width of the crop, in pixels of the image
    flip: Tensor  # (n,) bool
    jitter: Tensor  # (n,) bool
    order: Tensor  # (n, 4) int: the colour operation at each of four turns
    factors: Tensor  # (n, 4): brightness, contrast, saturation factors; hue shift in turns
    grayscale: Tensor  # (n,) bool
    blur: Tensor  # (n,) bool
    sigma: Tensor  # (n,) pixels
    solarize: Tensor  # (n,) bool

    def take(self, rows: Tensor) -> "Draws":
        """The draws of the chosen views."""
        return Draws(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class MultiCrop:
    """Two global views of most of the image, and several local views of small parts.

    Args:
        global_size: side of a global view in pixels.
        local_size: side of a local view in pixels.
        n_local: number of local views (0 for none).
        global_scale: range of the share of the image's area that a global view covers.
        local_scale: the same for local views.
        appearance: colour, blur and solarize settings.

    Raises:
        ValueError: for a scale outside (0, 1] or a size below 1.

    >>> crops = MultiCrop(global_size=32, local_size=16, n_local=4)
    >>> images = torch.zeros(10, 3, 48, 48, dtype=torch.uint8)
    >>> [tuple(v.shape) for v in crops(images)]
    [(20, 3, 32, 32), (40, 3, 16, 16)]
    """

    n_global = 2  # or 1, for an objective that compares no two views

    def __init__(
        self,
        global_size: int = 224,
        local_size: int = 96,
        n_local: int = 8,
        global_scale: tuple[float, float] = (0.4, 1.0),
        local_scale: tuple[float, float] = (0.05, 0.4),
        appearance: Appearance = Appearance(),
    ):
        for name, (low, high) in (("global_scale", global_scale), ("local_scale", local_scale)):
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} is ({low}, {high}); it must lie in (0, 1], low first")
        if global_size < 1 or local_size < 1 or n_local < 0:
            raise ValueError("crop sizes must be positive and n_local not negative")
        self.global_size, self.local_size, self.n_local = global_size, local_size, n_local
        self.global_scale, self.local_scale = global_scale, local_scale
        self.appearance = appearance

    def __call__(
        self,
        images: Tensor,
        generator: torch.Generator | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> tuple[Tensor, Tensor]:
        """Views of a batch, normalised, crop-major (all images of view 0, then of view 1).

        Args:
            images: uint8 (B, 3, H, W), on any device.
            generator: makes the draws repeatable. A CPU generator avoids waiting for a GPU.
            part: (i, n) if the images are the i-th (from 0) of n equal parts of a batch. Chance
                then decides for the whole batch: the parts get the views that it would get.

        Returns:
            ``(n_global * B, 3, G, G)`` global and ``(n_local * B, 3, L, L)`` local views, float32.

        Raises:
            TypeError: if the images are not uint8.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise TypeError(
                f"expected uint8 images (B, 3, H, W), got {images.dtype} {images.shape}"
            )
        own, _, h, w = images.shape
        i, n = part
        b = n * own
        a = self.appearance

        def rows(views: int) -> Tensor:
            return torch.arange(views * b).view(views, n, own)[:, i].flatten()

        large = self.n_global
        blur = torch.tensor(a.blur_p[:large]).repeat_interleave(b)
        solarize = torch.tensor([0.0, a.solarize_p][:large]).repeat_interleave(b)
        draws = draw(large * b, (h, w), self.global_scale, a, blur, solarize, generator)
        global_views = render(images, draws.take(rows(large)), self.global_size)
        blur, solarize = torch.full((self.n_local * b,), a.blur_p[2]), torch.zeros(self.n_local * b)
        draws = draw(self.n_local * b, (h, w), self.local_scale, a, blur, solarize, generator)
        return global_views, render(images, draws.take(rows(self.n_local)), self.local_size)


# ---------------------------------------------------------------- chance


def draw(
    n: int,
    image_size: tuple[int, int],
    scale: tuple[float, float],
    appearance: Appearance,
    blur_p: Tensor,
    solarize_p: Tensor,
    generator: torch.Generator | None = None,
) -> Draws:
    """Independent draws for n views of images of the given (height, width)."""
    a = appearance
    device = generator.device if generator is not None else torch.device("cpu")

    def uniform(low, high, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator, device=device)

    def happens(p: float | Tensor) -> Tensor:
        return torch.rand(n, generator=generator, device=device).cpu() < p

    def factor(spread: float) -> Tensor:
        return uniform(max(0.0, 1 - spread), 1 + spread, n)

    return Draws(
        box=_draw_boxes(n, *image_size, scale, uniform),
        flip=happens(0.5),
        jitter=happens(a.jitter_p),
        order=uniform(0, 1, n, 4).argsort(dim=1).cpu(),  # a random permutation per view
        factors=torch.stack(
            [
                factor(a.brightness),
                factor(a.contrast),
                factor(a.saturation),
                uniform(-a.hue, a.hue, n),
            ],
            dim=1,
        ).cpu(),
        grayscale=happens(a.grayscale_p),
        blur=happens(blur_p),
        sigma=uniform(*a.blur_sigma, n).cpu(),
        solarize=happens(solarize_p),
    )


def _draw_boxes(n: int, height: int, width: int, scale: tuple[float, float], uniform) -> Tensor:
    """torchvision's RandomResizedCrop for n views at once: (n, 4) top, left, height, width.

    Area share ~ U(scale), aspect ratio log-uniform in 3/4..4/3. Of ten tries the first box
    that fits is taken, and a centred box where none does.
    """
    tries = 10
    area = uniform(*scale, n, tries) * (height * width)
    ratio = uniform(math.log(3 / 4), math.log(4 / 3), n, tries).exp()
    w = (area * ratio).sqrt().round()
    h = (area / ratio).sqrt().round()
    fits = (w >= 1) & (w <= width) & (h >= 1) & (h <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    h, w = h.gather(1, first).squeeze(1), w.gather(1, first).squeeze(1)
    top = (uniform(0, 1, n) * (height - h + 1)).floor()
    left = (uniform(0, 1, n) * (width - w + 1)).floor()
    boxes = torch.stack([top, left, h, w], dim=1).long().cpu()

    fallback_w = min(width, round(height * 4 / 3))
    fallback_h = min(height, round(width * 4 / 3))
    fallback = torch.tensor(
        [(height - fallback_h) // 2, (width - fallback_w) // 2, fallback_h, fallback_w]
    )
    return torch.where(fits.any(dim=1, keepdim=True).cpu(), boxes, fallback)


# ---------------------------------------------------------------- rendering


def render(images: Tensor, draws: Draws, size: int) -> Tensor:
    """uint8 (B, 3, H, W) and draws for V * B views -> normalised (V * B, 3, size, size)."""

    def rows(chosen: Tensor) -> Tensor:
        return chosen.nonzero().squeeze(1)

    x = crop_resize(images, sent(draws.box, images), sent(draws.flip, images), size)
    if len(i := rows(draws.jitter)):
        order, factors, i_dev = draws.order[i], sent(draws.factors[i], x), sent(i, x)
        x[i_dev] = color_jitter(x[i_dev], order, factors)
    if len(i := sent(rows(draws.grayscale), x)):
        x[i] = luma(x[i]).expand(-1, 3, -1, -1)
    if len(i := rows(draws.blur)):
        sigma, i = sent(draws.sigma[i], x), sent(i, x)
        x[i] = gaussian_blur(x[i], sigma)
    if len(i := sent(rows(draws.solarize), x)):
        x[i] = solarize(x[i])
    return standardize(x)
