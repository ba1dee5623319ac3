"""Exercise 3.5, a blur of its own for every image: wrong exponents, kernels that are not
normalised or end too early, other ways with the edges, and one sigma for the whole batch.
"""

import math

import torch
from torch import Tensor

from minidino.checks.compare import compare, same
from minidino.checks.core import Wrong, call, check, close, expect_any_device


def _gauss(d: Tensor, s: Tensor) -> Tensor:
    return (-(d**2) / (2 * s**2)).exp()


def _rows(w: Tensor) -> Tensor:
    return w / w.sum(2, keepdim=True)


def _within(radius):
    """The Gaussian, 0 beyond a radius that may depend on sigma."""
    return lambda d, s: _gauss(d, s) * (d.abs() <= radius(s))


def _mix(x: Tensor, left: Tensor, right: Tensor) -> Tensor:
    return left[:, None] @ x @ right[:, None].mT


def _blur(weights=_gauss, normalise=_rows, sigma=lambda s: s, mix=_mix):
    """Two matrices for each image, with one piece changed."""

    def blur(x: Tensor, s: Tensor) -> Tensor:
        def matrix(size: int) -> Tensor:
            i = torch.arange(size).double()
            return normalise(weights(i[:, None] - i, sigma(s.double())[:, None, None]))

        return mix(x.double(), matrix(x.shape[2]), matrix(x.shape[3]))

    return blur


def _padded(fold, radius):
    """A kernel of 2 R + 1 taps that sum to 1, and a rule for what lies beyond the edge."""

    def blur(x: Tensor, sigma: Tensor) -> Tensor:
        def matrix(size: int) -> Tensor:
            out = torch.zeros(len(x), size, size, dtype=torch.float64)
            for m, s in zip(out, sigma.double(), strict=True):
                reach = size - 1 if radius is None else int(radius(s))
                t = torch.arange(-reach, reach + 1)
                taps = _gauss(t.double(), s) / _gauss(t.double(), s).sum()
                at = torch.arange(size)[:, None] + t
                if fold is None:
                    there = (at >= 0) & (at < size)
                    m.scatter_add_(1, at.clamp(0, size - 1), taps * there)
                else:
                    m.scatter_add_(1, fold(at, size), taps.expand(at.shape))
            return out

        return _mix(x.double(), matrix(x.shape[2]), matrix(x.shape[3]))

    return blur


def _reflect(at: Tensor, size: int) -> Tensor:
    at = at.abs()
    return torch.where(at >= size, 2 * (size - 1) - at, at)


EXIST = "Here each row is normalised over the pixels that exist."
PADS = {
    f"The edges get dark: beyond the picture you count zeros (zero padding), or all rows are "
    f"divided by the sum of the middle one. {EXIST}": None,
    f"You mirrored the picture at its edge (reflect padding), as torchvision does. {EXIST}": (
        _reflect
    ),
    f"You repeated the outermost pixels (replicate padding). {EXIST}": (
        lambda at, size: at.clamp(0, size - 1)
    ),
    f"The picture is wrapped round: what lies left of it is its right edge (an FFT, or circular "
    f"padding). {EXIST}": lambda at, size: at % size,
}
RADII = {
    "": None,
    " (And the kernel has 3 taps.)": lambda s: 1,
    " (And the kernel has 5 taps.)": lambda s: 2,
    " (And the kernel has 7 taps.)": lambda s: 3,
    " (And the kernel has 9 taps.)": lambda s: 4,
    " (And the kernel ends at int(3 sigma).)": lambda s: 3 * s,
    " (And the kernel ends at 3 sigma, rounded up.)": lambda s: math.ceil(3 * s),
    " (And the kernel ends at 2 sigma.)": lambda s: 2 * s,
}
OWN = "Each image has its own: sigma[i]."
GAUSS = "A Gaussian is exp(-d^2 / (2 sigma^2))."
EARLY = "The kernel ends too early, at {}. Its tails count: sum over all pixels that exist."
ROWS = "Each row is normalised on its own: sum(dim=2, keepdim=True)."
BOTH = "Y = G X G'^T: one matrix for the rows from the left, one for the columns from the right."

MISTAKES = {
    "The exponent is multiplied by sigma^2: d**2 / 2 * sigma**2 means (d**2 / 2) * sigma**2. Put "
    "2 * sigma**2 in parentheses.": _blur(lambda d, s: (-(d**2) / 2 * s**2).exp()),
    f"The minus is missing in the exponent: your weights grow with the distance. {GAUSS}": _blur(
        lambda d, s: (d**2 / (2 * s**2)).float().exp().double()
    ),
    f"The 2 is missing. {GAUSS}": _blur(lambda d, s: (-(d**2) / s**2).exp()),
    f"The 2 is squared with sigma, (2 sigma)^2. {GAUSS}": _blur(
        lambda d, s: (-(d**2) / (2 * s) ** 2).exp()
    ),
    f"The exponent is 4 times what it should be: you multiplied by 2 where you divide. {GAUSS}": (
        _blur(lambda d, s: (-2 * d**2 / s**2).exp())
    ),
    f"You divided by sigma instead of its square, 2 sigma. {GAUSS} sigma is the standard "
    "deviation, not the variance.": _blur(lambda d, s: (-(d**2) / (2 * s)).exp()),
    f"You divided by sigma instead of its square, and the 2 is missing. {GAUSS}": _blur(
        lambda d, s: (-(d**2) / s).exp()
    ),
    f"You divided by the root of sigma. {GAUSS}": _blur(
        lambda d, s: (-(d**2) / (2 * s.sqrt())).exp()
    ),
    f"You took sigma^4: it is squared twice. {GAUSS}": _blur(
        lambda d, s: (-(d**2) / (2 * s**4)).exp()
    ),
    f"sigma has no effect. {GAUSS}": _blur(lambda d, s: (-(d**2) / 2).exp() + 0 * s),
    f"The exponent has the distance, not its square. {GAUSS}": _blur(
        lambda d, s: (-d.abs() / s).exp()
    ),
    f"The exponent has the distance, not its square. {GAUSS} (The 2 sigma^2 is right.)": _blur(
        lambda d, s: (-d.abs() / (2 * s**2)).exp()
    ),
    f"The exponent has the distance, not its square, over 2 sigma. {GAUSS}": _blur(
        lambda d, s: (-d.abs() / (2 * s)).exp()
    ),
    f"The whole exponent is squared. {GAUSS}": _blur(
        lambda d, s: (-((d**2 / (2 * s**2)) ** 2)).exp()
    ),
    f"exp is missing, or something else falls off: 1 / (1 + d^2 / (2 sigma^2)). {GAUSS}": _blur(
        lambda d, s: 1 / (1 + d**2 / (2 * s**2))
    ),
    f"You took a power of 2 (exp2). {GAUSS}": _blur(lambda d, s: (-(d**2) / (2 * s**2)).exp2()),
    f"You took plain means over the pixels up to sigma away (a box). {GAUSS}": _blur(
        lambda d, s: (d.abs() <= s).double()
    ),
    f"You took plain means over the pixels up to 2 sigma away (a box). {GAUSS}": _blur(
        lambda d, s: (d.abs() <= 2 * s).double()
    ),
    f"You took plain means over the pixels up to 3 sigma away (a box). {GAUSS}": _blur(
        lambda d, s: (d.abs() <= 3 * s).double()
    ),
    f"You took plain means over 3 pixels (a box). {GAUSS}": _blur(
        lambda d, s: (d.abs() <= 1).double() + 0 * s
    ),
    f"You took plain means of all pixels: sigma and distance have no effect. {GAUSS}": _blur(
        lambda d, s: d * 0 + 1 + 0 * s
    ),
    f"The weights are a triangle. {GAUSS}": _blur(
        lambda d, s: (1 - d.abs() / (1 + s)).clamp(min=0)
    ),
    f"The weights on one side only count, those of the pixels before. {GAUSS}": _blur(
        lambda d, s: _gauss(d, s) * (d >= 0)
    ),
    f"The weights on one side only count, those of the pixels behind. {GAUSS}": _blur(
        lambda d, s: _gauss(d, s) * (d <= 0)
    ),
    "The kernel is shifted by one pixel: at distance 0 it has its largest weight.": _blur(
        lambda d, s: _gauss(d - 1, s)
    ),
    "The kernel is shifted by half a pixel: old and new pixels have the same centres here.": _blur(
        lambda d, s: _gauss(d - 0.5, s)
    ),
    EARLY.format("the next pixel, 3 taps"): _blur(_within(lambda s: 1)),
    EARLY.format("the second pixel, 5 taps"): _blur(_within(lambda s: 2)),
    EARLY.format("the third pixel, 7 taps"): _blur(_within(lambda s: 3)),
    EARLY.format("the fourth pixel, 9 taps"): _blur(_within(lambda s: 4)),
    EARLY.format("1 sigma"): _blur(_within(lambda s: s)),
    EARLY.format("1 sigma, rounded up"): _blur(_within(lambda s: s.ceil())),
    EARLY.format("1.5 sigma"): _blur(_within(lambda s: 1.5 * s)),
    EARLY.format("2 sigma"): _blur(_within(lambda s: 2 * s)),
    EARLY.format("2 sigma, rounded up"): _blur(_within(lambda s: (2 * s).ceil())),
    EARLY.format("2.5 sigma or little more"): _blur(_within(lambda s: 2.5 * s)),
    f"One sigma served the whole batch, the first. {OWN}": _blur(
        sigma=lambda s: s[:1].expand_as(s)
    ),
    f"One sigma served the whole batch, the last. {OWN}": _blur(
        sigma=lambda s: s[-1:].expand_as(s)
    ),
    f"You averaged the sigmas of the batch. {OWN}": _blur(sigma=lambda s: s.mean().expand_as(s)),
    f"The largest sigma served the whole batch. {OWN}": _blur(
        sigma=lambda s: s.max().expand_as(s)
    ),
    f"The sigmas are in another order than the images. {OWN}": _blur(sigma=lambda s: s.flip(0)),
    f"Each image got the sigma of the one before. {OWN}": _blur(sigma=lambda s: s.roll(1)),
    f"Each image got the sigma of the next. {OWN}": _blur(sigma=lambda s: s.roll(-1)),
    "sigma is rounded to whole pixels. It is a fraction.": _blur(sigma=lambda s: s.round()),
    "sigma is cut to whole pixels (int). It is a fraction.": _blur(sigma=lambda s: s.trunc()),
    "1 is added to sigma. It is in pixels, as it comes.": _blur(sigma=lambda s: s + 1),
    "sigma is held at 1 pixel or less. It may be larger.": _blur(sigma=lambda s: s.clamp(max=1)),
    "The pixel itself has no weight: it counts most, exp(0) = 1.": _blur(
        lambda d, s: _gauss(d, s) * (d != 0)
    ),
    "sigma is held at 1 pixel or more. It may be smaller.": _blur(sigma=lambda s: s.clamp(min=1)),
    "You doubled sigma. It is in pixels, as it comes.": _blur(sigma=lambda s: 2 * s),
    "The kernel is not normalised: the weights of a row must sum to 1, or the picture gets "
    "brighter.": _blur(normalise=lambda w: w),
    "Your columns sum to 1, not your rows (or both matrices are transposed): the rows of each "
    "image's matrix are dim 1, the weights of a row lie along dim 2.": _blur(
        normalise=lambda w: w / w.sum(1, keepdim=True)
    ),
    f"You divided by the sum of the whole matrix. {ROWS}": _blur(
        normalise=lambda w: w / w.sum((1, 2), keepdim=True)
    ),
    f"You divided by the sum of all images' matrices. {ROWS}": _blur(
        normalise=lambda w: w / w.sum()
    ),
    "You divided by the sum over the images (dim 0). The weights of a row lie along dim 2.": _blur(
        normalise=lambda w: w / w.sum(0, keepdim=True)
    ),
    f"You divided by a sum without keepdim=True. {ROWS}": _blur(
        normalise=lambda w: w / w.sum(2)
    ),
    f"You divided by the mean of the row. {ROWS}": _blur(
        normalise=lambda w: w / w.mean(2, keepdim=True)
    ),
    f"You divided by the largest weight of the row, which is 1, or by the root of the sum of "
    f"squares. {ROWS}": _blur(normalise=lambda w: w / w.norm(dim=2, keepdim=True)),
    f"You divided by sqrt(2 pi) sigma. That is the integral of a whole Gaussian, and not the sum "
    f"over these pixels. {ROWS}": _blur(
        lambda d, s: _gauss(d, s) / (math.sqrt(2 * math.pi) * s), lambda w: w
    ),
    f"You divided by 2 pi sigma^2. {ROWS}": _blur(
        lambda d, s: _gauss(d, s) / (2 * math.pi * s**2), lambda w: w
    ),
    f"All rows are divided by the sum of the first one. {ROWS}": _blur(
        normalise=lambda w: w / w[:, 0].sum(1)[:, None, None]
    ),
    "A softmax over weights that are exponentials already: one exp too many.": _blur(
        normalise=lambda w: w.softmax(2)
    ),
    "Only the columns are mixed: the picture is smeared sideways. Blur the rows too.": _blur(
        mix=lambda x, g, h: x @ h[:, None].mT
    ),
    "Sideways nothing is mixed: the rows are blurred, the columns are not.": _blur(
        mix=lambda x, g, h: g[:, None] @ x
    ),
    f"Only the columns are mixed, and G' is not transposed. {BOTH}": _blur(
        mix=lambda x, g, h: x @ h[:, None]
    ),
    f"The matrix on the right is not transposed. G' is not symmetric, since its rows are divided "
    f"by different sums. {BOTH}": _blur(mix=lambda x, g, h: g[:, None] @ x @ h[:, None]),
    f"The matrix on the left is transposed. G is not symmetric, since its rows are divided by "
    f"different sums. {BOTH}": _blur(mix=lambda x, g, h: g[:, None].mT @ x @ h[:, None].mT),
    "The picture is blurred twice. Once for the rows and once for the columns is all.": _blur(
        mix=lambda x, g, h: _mix(_mix(x, g, h), g, h)
    ),
    "The rows are blurred twice. Once for the rows and once for the columns is all.": _blur(
        mix=lambda x, g, h: g[:, None] @ _mix(x, g, h)
    ),
    "The columns are blurred twice. Once for the rows and once for the columns is all.": _blur(
        mix=lambda x, g, h: _mix(x, g, h) @ h[:, None].mT
    ),
    "Rows and columns are blurred apart and averaged. The second starts from what the first "
    "left.": _blur(mix=lambda x, g, h: (g[:, None] @ x + x @ h[:, None].mT) / 2),
    "Rows and columns are blurred apart and summed. The second starts from what the first "
    "left.": _blur(mix=lambda x, g, h: g[:, None] @ x + x @ h[:, None].mT),
    "This is the picture less its blur: what a blur takes away. The blur itself is asked for.": (
        _blur(mix=lambda x, g, h: x - _mix(x, g, h))
    ),
    "This is a sharpened picture, the picture and what a blur takes away.": _blur(
        mix=lambda x, g, h: 2 * x - _mix(x, g, h)
    ),
    "The picture comes back as it was: nothing is blurred.": _blur(mix=lambda x, g, h: x),
    "The channels are mixed: the picture is gray. Each is blurred on its own.": _blur(
        mix=lambda x, g, h: _mix(x, g, h).mean(1, keepdim=True).expand_as(x)
    ),
    "The channels are summed. Each is blurred on its own.": _blur(
        mix=lambda x, g, h: _mix(x, g, h).sum(1, keepdim=True).expand_as(x)
    ),
    "The images are mixed with each other: your einsum sums over them.": _blur(
        mix=lambda x, g, h: _mix(x, g, h).sum(0, keepdim=True).expand_as(x)
    ),
    **{
        f"{pad}{until}": _padded(fold, radius)
        for pad, fold in PADS.items()
        for until, radius in RADII.items()
    },
}  # fmt: skip


def _in_the_middle(got: Tensor, want: Tensor) -> bool:
    """Right where the edge is far, and wrong elsewhere."""
    middle = (..., slice(7, -7), slice(7, -7))
    return want[middle].numel() > 0 and close(got[middle], want[middle], 3e-4)


def _nearly(got: Tensor, want: Tensor) -> bool:
    ratio = (got.double() / want).flatten()
    return close(got, want, 0.01) and bool((ratio - ratio.mean()).abs().max() > 1e-4)


def _stronger(sign: int):
    """Every image varies less than it should, or more."""

    def holds(got: Tensor, want: Tensor) -> bool:
        off = sign * (got.double().var((1, 2, 3)) - want.var((1, 2, 3)))
        mean = (got.double().mean((1, 2, 3)) - want.mean((1, 2, 3))).abs().max()
        return bool(off.max() < 0 and mean < 0.02)

    return holds


PROPERTIES = {
    f"In the middle of the picture your blur is right, and towards the edges it is not. {EXIST}": (
        _in_the_middle
    ),
    "The result is right to two digits and no more: is a type of half precision in it, or does the "
    "kernel end too early?": _nearly,
    f"Every image is blurred too much. {GAUSS} sigma is in pixels, and the distance, too.": (
        _stronger(1)
    ),
    f"Every image is blurred too little. {GAUSS} sigma is in pixels, and the distance, too.": (
        _stronger(-1)
    ),
}


def _as_it_ends(answer):
    """The right blur, each image's kernel ended where ``answer`` ends it at 3 sigma or beyond."""

    def right(x: Tensor, sigma: Tensor) -> Tensor:
        exact = _blur()(x, sigma)
        try:
            got = call(answer, x.float(), sigma.float())
        except Exception:
            return exact  # and compare says what it is
        if not isinstance(got, Tensor) or got.shape != exact.shape:
            return exact
        for i, s in enumerate(sigma.tolist()):
            one = slice(i, i + 1)
            for reach in range(int(3 * s), max(x.shape[2:])):
                cut = _blur(_within(lambda s, reach=reach: reach))(x[one], sigma[one])
                if same(got[one], cut):
                    exact[one] = cut
                    break
        return exact

    return right


@check("3.5", "a blur of its own for every image")
def check_3_5(gaussian_blur):
    def case(height: int, width: int, *sigma: float) -> tuple[Tensor, Tensor]:
        x = torch.rand(len(sigma), 3, height, width) * torch.tensor([1, 0.7, 0.4]).view(3, 1, 1)
        return x, torch.tensor(sigma)

    square = [case(16, 16, 0.6, 1.7, 0.9, 1.2), case(19, 19, 1.6, 0.5)]
    oblong = [case(18, 15, 0.7, 1.6, 1.1, 1.4), case(16, 20, 1.7, 0.8)]
    sharp = [case(11, 9, 0.1, 0.1, 2.0), case(8, 10, 0.3, 0.12)]
    settings = {"names": "(n, 3, H, W)", "properties": PROPERTIES}
    right = _as_it_ends(gaussian_blur)
    for cases in (square, oblong):
        try:
            compare(gaussian_blur, cases, right, MISTAKES, **settings)
        except Exception as error:
            if cases is oblong and (not isinstance(error, Wrong) or "has shape" in str(error)):
                raise Wrong(
                    "Square pictures are blurred rightly, others fail: height and width may "
                    "differ, so the rows need a matrix (n, H, H) and the columns one (n, W, W)."
                ) from error
            raise
    # The smallest sigma of DINO: no neighbour counts, and nothing is nan.
    held = {
        f"sigma is held at {s} pixels or more. DINO's smallest is 0.1.": _blur(
            sigma=lambda sigma, s=s: sigma.clamp(min=s)
        )
        for s in (0.3, 0.5)
    }
    held[EARLY.format("the fifth pixel, 11 taps")] = _blur(_within(lambda s: 5))
    compare(gaussian_blur, sharp, right, held, what="At a sigma of 0.1 pixels, the result")
    expect_any_device(gaussian_blur, *square[0])
