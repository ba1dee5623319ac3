"""ThingsOnStuff: the embedded data set. No file, no download: images drawn from a seed.

Each image shows one *thing* on *stuff*. The thing belongs to one of ten classes; a class has
a shape, a texture and a pair of colours of its own, while position, size, rotation and shade
vary. The stuff is noise, drawn from one and the same distribution for every image, so nothing
in the background tells one image from another: all that two crops share is the thing.

``stuff="telling"`` turns this round. Each image gets a background colour of its own; now two
crops share the background as well, and DINO learns that instead. The pair is an experiment
on what a "thing" is.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CLASSES = (
    "disc", "square", "triangle", "star", "flower", "cross", "gear", "heart", "drop", "leaf",
)  # fmt: skip

# Five colours make ten pairs, one per class. Every colour belongs to four classes, so no
# single pixel gives a class away: the two colours, and how they are woven, do.
COLORS = np.array(
    [[0.95, 0.30, 0.25], [0.98, 0.82, 0.20], [0.20, 0.75, 0.35], [0.25, 0.50, 0.98],
     [0.95, 0.95, 0.92]], dtype=np.float32,
)  # fmt: skip
PAIRS = np.array([(i, j) for i in range(5) for j in range(i + 1, 5)])

STUFF = 0.42  # gray of the background: a little darker than most things
GRAIN = 0.13  # standard deviation of the noise, black to white being 1
CHUNK = 256  # images drawn from one random stream; image i is the same whatever the total


@dataclass
class ThingsOnStuff:
    """Images with a label and a pixel mask each.

    Args:
        n: number of images.
        size: side in pixels.
        seed: same seed, same images; the first images of a larger set are those of a smaller.
        stuff: ``"noise"`` (one distribution for all images) or ``"telling"`` (a background
            colour per image).

    Attributes:
        images: uint8 (n, 3, size, size).
        labels: int64 (n,), an index into ``CLASSES``.
        masks: bool (n, size, size), true on the thing.

    Raises:
        ValueError: for an unknown ``stuff``, no images or a size below 8 px.
    """

    n: int
    size: int = 48
    seed: int = 0
    stuff: str = "noise"

    def __post_init__(self):
        if self.stuff not in ("noise", "telling"):
            raise ValueError(f'stuff is "{self.stuff}"; it must be "noise" or "telling"')
        if self.n < 1 or self.size < 8:
            raise ValueError("ThingsOnStuff needs at least 1 image of at least 8 px")
        images = np.empty((self.n, self.size, self.size, 3), np.uint8)
        labels = np.empty(self.n, np.int64)
        masks = np.empty((self.n, self.size, self.size), bool)
        for first in range(0, self.n, CHUNK):
            rng = np.random.default_rng([self.seed, first // CHUNK])
            some = slice(first, min(first + CHUNK, self.n))
            drawn = _draw_chunk(rng, some.stop - some.start, self.size, self.stuff)
            images[some], labels[some], masks[some] = drawn
        self.images: Tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels: Tensor = torch.from_numpy(labels)
        self.masks: Tensor = torch.from_numpy(masks)


def _draw_chunk(rng: np.random.Generator, n: int, size: int, stuff: str):
    """A chunk's first n images (n, size, size, 3) uint8, labels (n,) and masks (n, size, size)."""
    things = Things.draw(rng, CHUNK, size)
    things = Things(**{name: of_all[:n] for name, of_all in vars(things).items()})
    alpha, colours = things.paint(size)
    image = _background(rng, CHUNK, stuff)[:n]
    image = image + alpha * (colours - image)
    return finished(rng, image), things.label, alpha[..., 0] > 0.5


def finished(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """(n, size, size, 3) in 0..1 -> uint8, with noise over all of it."""
    image = image + _grain(rng, len(image), image.shape[1])
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


@dataclass
class Things:
    """n things: what each is, where, and how it is turned and shaded; lengths in pixels.

    But for ``label`` (n,) these go with pixels: (n, 1, 1), and ``shade`` (n, 1, 1, 3).
    """

    label: np.ndarray
    radius: np.ndarray  # a thing's area is that of a disc of this radius, whatever its shape
    x: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    phase_u: np.ndarray
    phase_v: np.ndarray
    shade: np.ndarray
    period: np.ndarray  # of its texture
    cover: np.ndarray  # share of its second colour, about

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int, size: int) -> "Things":
        def uniform(low: float, high: float, channels: int = 1) -> np.ndarray:
            """A number for each image, shaped to go with its pixels."""
            shape = (n, 1, 1) if channels == 1 else (n, 1, 1, channels)
            return rng.uniform(low, high, shape).astype(np.float32)

        label = rng.integers(len(CLASSES), size=n)
        radius = uniform(0.20, 0.27) * size
        x, y = (1.15 * radius + uniform(0, 1) * (size - 2.3 * radius) for _ in range(2))
        angle, phase_u, phase_v = (uniform(0, 2 * np.pi) for _ in range(3))
        shade = uniform(0.75, 1.05)[..., None] * uniform(0.96, 1.04, channels=3)
        # Waves about a fifth of the image long. How much of the thing the second colour covers
        # varies, so the mean colour is a poor guide to the class.
        period = size * uniform(0.18, 0.22)
        cover = uniform(0.2, 0.8)
        return cls(label, radius, x, y, angle, phase_u, phase_v, shade, period, cover)

    def paint(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """How much of each pixel the things cover (n, size, size, 1), and their colours (.., 3)."""
        pixel = np.arange(size, dtype=np.float32) + 0.5
        dx, dy = pixel[None, None, :] - self.x, pixel[None, :, None] - self.y
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        u, v = cos * dx + sin * dy, cos * dy - sin * dx  # pixels, in the thing's own axes

        # Coverage of a pixel by the thing: 1 inside, 0 outside, a soft edge one pixel wide.
        direction = (np.arctan2(v, u) * (OUTLINES.shape[1] / (2 * np.pi))).astype(np.int32)
        outline = OUTLINES[self.label[:, None, None], direction % OUTLINES.shape[1]] * self.radius
        alpha = np.clip(outline - np.hypot(u, v) + 0.5, 0, 1)[..., None]

        # Texture: where the class's second colour is.
        wave = 2 * np.pi / self.period
        u, v = u * wave + self.phase_u, v * wave + self.phase_v
        weave = np.empty_like(u)
        for c, texture in enumerate(TEXTURES):
            chosen = self.label == c
            weave[chosen] = texture(u[chosen], v[chosen])
        weave = np.clip(self.cover + 1.5 * weave, 0, 1)[..., None]
        first, second = (COLORS[PAIRS[self.label, k]].reshape(-1, 1, 1, 3) for k in (0, 1))
        return alpha, (first + weave * (second - first)) * self.shade


def _background(rng: np.random.Generator, n: int, stuff: str) -> np.ndarray:
    """(n, 1, 1, 3): the same gray for every image, or a colour for each."""
    if stuff == "noise":
        return np.full((n, 1, 1, 3), STUFF, np.float32)
    return rng.uniform(0.1, 0.9, (n, 1, 1, 3)).astype(np.float32)


def _grain(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Noise over the whole picture, (n, size, size, 3), two pixels wide, so a resize keeps it.

    It lies on the thing as well: one patch is weak evidence of the class, all are strong.
    """
    fine = rng.standard_normal((n, size, size, 3), dtype=np.float32)
    fine = fine + np.roll(fine, 1, 1)
    fine = fine + np.roll(fine, 1, 2)
    return GRAIN / 2 * fine  # the sum of four has twice the spread of one


# ---------------------------------------------------------------- what a class looks like


def _outlines(steps: int = 720) -> np.ndarray:
    """Distance from centre to outline by direction, (10, steps); each of a unit disc's area."""
    t = np.arange(steps) * (2 * np.pi / steps)

    def polygon(k: int) -> np.ndarray:
        sector = 2 * np.pi / k
        return 1 / np.cos((t + sector / 2) % sector - sector / 2)

    def waves(k: int, depth: float, sharpness: float) -> np.ndarray:
        wave = np.cos(k * t)
        return 1 + depth * np.sign(wave) * np.abs(wave) ** sharpness

    def curve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """A closed curve of points, seen from the middle of its height and width."""
        x, y = x - (x.max() + x.min()) / 2, y - (y.max() + y.min()) / 2
        order = np.argsort(np.arctan2(y, x))
        angle, radius = np.arctan2(y, x)[order], np.hypot(x, y)[order]
        return np.interp(t, angle, radius, period=2 * np.pi)

    along, across = np.abs(np.cos(t)), np.abs(np.sin(t))
    bar = np.minimum(along, across)  # 0 in the middle of an arm of the cross
    shapes = {
        "disc": np.ones(steps),
        "square": polygon(4),
        "triangle": polygon(3),
        "star": 0.5 + 1.1 * np.abs((5 * t / (2 * np.pi)) % 1 - 0.5),
        "flower": waves(6, 0.28, 1.0),
        "cross": np.minimum(1 / np.maximum(along, across), 0.36 / np.maximum(bar, 1e-6)),
        "gear": waves(9, 0.16, 0.25),
        "heart": curve(16 * np.sin(t) ** 3,
                       13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)),
        "drop": curve(np.cos(t), np.sin(t) * np.sin(t / 2) ** 2 * 0.9),
        "leaf": 1 / (0.55 + 0.9 * across ** 1.3),
    }  # fmt: skip
    r = np.stack([shapes[name] for name in CLASSES])
    return (r / np.sqrt((r**2).mean(axis=1, keepdims=True))).astype(np.float32)


OUTLINES = _outlines()

# Each maps the thing's own coordinates, in radians of its wave, to -1 (first colour) .. 1.
TEXTURES = (
    lambda u, v: np.sin(u),  # stripes
    lambda u, v: np.sin(u) * np.sin(v),  # checks
    lambda u, v: np.maximum(np.sin(u), np.sin(v)) - 0.6,  # lattice
    lambda u, v: np.sin(u + 1.5 * np.sin(v)),  # waves
    lambda u, v: np.sin(u) + np.sin(v) - 0.4,  # dots
    lambda u, v: np.sin(u + v) * np.sin(u - v),  # diamonds
    lambda u, v: np.sin(2 * u),  # fine stripes
    lambda u, v: np.sin(u) * np.sin(0.5 * v) * 1.4,  # bricks
    lambda u, v: np.sin(u + 2 * np.abs((v / np.pi) % 2 - 1)),  # zigzag
    lambda u, v: np.sin(1.4 * u) * np.sin(0.7 * v) - 0.3,  # dashes
)
