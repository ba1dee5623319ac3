"""Random boxes as they are asked for in exercise 3.3, and as they come out of known mistakes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Sampler = Callable[..., Tensor]  # (n, height, width, scale, generator) -> (n, 4)
LOG = math.log(4 / 3)


def _share(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


def _ratio(u: Tensor) -> Tensor:
    return ((2 * u - 1) * LOG).exp()


def _sides(s: Tensor, r: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    area = s * height * width
    return (area / r).sqrt(), (area * r).sqrt()


def _fits(h: Tensor, w: Tensor, height: int, width: int) -> Tensor:
    return (h <= height) & (w <= width)


def _first(h: Tensor, w: Tensor, fits: Tensor, *_) -> tuple[Tensor, Tensor]:
    first = fits.int().argmax(dim=1, keepdim=True)
    return h.gather(1, first)[:, 0], w.gather(1, first)[:, 0]


def _place(u: Tensor, side: Tensor, whole: int) -> Tensor:
    return (u * (whole - side + 1)).floor()


def _boxes(
    share=_share,
    ratio=_ratio,
    sides=_sides,
    whole=torch.round,
    fits=_fits,
    choose=_first,
    place=_place,
    places=None,
    columns=lambda top, left, h, w, height, width: (top, left, h, w),
    kept="",
    tries=12,
) -> Sampler:
    """Boxes drawn as they should be, with one piece changed.

    ``kept`` is "s" or "r" where that is not drawn again with the other. The first of ``tries``
    that fits is taken.
    """

    def draw(n: int, height: int, width: int, scale, generator) -> Tensor:
        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        s = share(rand(n, 1 if kept == "s" else tries), *scale).expand(n, tries)
        r = ratio(rand(n, 1 if kept == "r" else tries)).expand(n, tries)
        h, w = (whole(side) for side in sides(s, r, height, width))
        h, w = choose(h, w, fits(h, w, height, width), height, width)
        if places is None:
            top, left = place(rand(n), h, height), place(rand(n), w, width)
        else:
            top, left = places(rand(n), rand(n), h, w, height, width)
        return torch.stack(columns(top, left, h, w, height, width), dim=1).floor()

    return draw


def _cut_after(tries: int):
    """Drawn again so many times less one; what does not fit then is cut to the image."""

    def choose(h, w, fits, height, width):
        h, w = _first(h[:, :tries], w[:, :tries], fits[:, :tries], height, width)
        return h.clamp(max=height), w.clamp(max=width)

    return choose


def _shrunk(h, w, fits, height, width):
    by = torch.minimum(height / h[:, 0], width / w[:, 0]).clamp(max=1)
    return (h[:, 0] * by).round(), (w[:, 0] * by).round()


def _or_whole(h, w, fits, height, width):
    return tuple(
        torch.where(fits[:, 0], side[:, 0], whole * torch.ones(()).double())
        for side, whole in ((h, height), (w, width))
    )


def _or_turned(h, w, fits, height, width):
    """What does not fit is tried with height and width exchanged, and then cut."""
    turned = ~fits[:, 0] & _fits(w[:, 0], h[:, 0], height, width)
    a, b = torch.where(turned, w[:, 0], h[:, 0]), torch.where(turned, h[:, 0], w[:, 0])
    return a.clamp(max=height), b.clamp(max=width)


def _one_try(h, w, fits, height, width):
    return h[:, 0], w[:, 0]


def _all_at_once(n: int, height: int, width: int, scale, generator) -> Tensor:
    """Size and place are drawn together, and both again until the box lies in the image."""
    boxes, left = torch.zeros(n, 4, dtype=torch.float64), torch.arange(n)
    while len(left):
        u = torch.rand(4, len(left), generator=generator, dtype=torch.float64)
        h, w = (side.round() for side in _sides(_share(u[0], *scale), _ratio(u[1]), height, width))
        y, x = (u[2] * height).floor(), (u[3] * width).floor()
        inside = (y + h <= height) & (x + w <= width)
        boxes[left[inside]] = torch.stack([y, x, h, w], dim=1)[inside]
        left = left[~inside]
    return boxes


right = _boxes()

AREA = "s is a share of the *area*: h = sqrt(s H W / r), w = sqrt(s H W r)."
UNIFORM = "Draw s uniformly in the scale: low + (high - low) * u."
RATIO = "ln r is uniform in ln(3/4)..ln(4/3); r is its exp."
AGAIN = "A box that does not fit is drawn again, s and r anew, until one fits."
PLACE = "top is one of 0, 1, ..., height - h, each as likely: floor(u * (height - h + 1))."
COLUMNS = "The columns are top, left, height, width."

mistakes: dict[str, Sampler] = {
    # shares
    "The scale went into the side of the box instead of its area: a scale of 0.25 is a quarter of "
    "the area, so half the side. Take the square root.": _boxes(
        lambda u, low, high: _share(u, low, high) ** 2
    ),
    "You drew the root of the share uniformly, so small boxes are too rare. " + UNIFORM: _boxes(
        lambda u, low, high: _share(u, low**0.5, high**0.5) ** 2
    ),
    "The share is log-uniform, so small boxes are too frequent. " + UNIFORM: _boxes(
        lambda u, low, high: _share(u, math.log(low), math.log(high)).exp()
    ),
    "The share runs from low to low + high: high - low is what u is multiplied with. "
    + UNIFORM: _boxes(lambda u, low, high: low + high * u, tries=60),
    "The share runs from 0 to high: low is not used. " + UNIFORM: _boxes(
        lambda u, low, high: high * u
    ),
    "The share runs from low to 1: high is not used. " + UNIFORM: _boxes(
        lambda u, low, high: low + (1 - low) * u, tries=60
    ),
    "The share runs from 0 to 1: the scale is not used. " + UNIFORM: _boxes(
        lambda u, low, high: u, tries=60
    ),
    "The share runs from 0 to high - low: low is to be added. " + UNIFORM: _boxes(
        lambda u, low, high: (high - low) * u
    ),
    "The share runs from 0.4 to 1 whatever the scale. It is an argument. " + UNIFORM: _boxes(
        lambda u, low, high: 0.4 + 0.6 * u, tries=60
    ),
    "The share runs from 0.05 to 0.4 whatever the scale. It is an argument. " + UNIFORM: _boxes(
        lambda u, low, high: 0.05 + 0.35 * u
    ),
    "The share is squared on the way, so small boxes are too frequent. " + UNIFORM: _boxes(
        lambda u, low, high: _share(u * u, low, high)
    ),
    "The share is a mean of several draws, or one of a bell curve: its middle is too frequent. "
    + UNIFORM: _boxes(
        lambda u, low, high: _share((u + u.roll(1, 0)) / 2, low, high)
    ),
    "The share is the smallest of the scale, always. " + UNIFORM: _boxes(
        lambda u, low, high: low + 0 * u
    ),
    "The share is the largest of the scale, always. " + UNIFORM: _boxes(
        lambda u, low, high: high + 0 * u
    ),
    "The share is the middle of the scale, always. " + UNIFORM: _boxes(
        lambda u, low, high: (low + high) / 2 + 0 * u
    ),
    "The share is one of the scale's two ends, and nothing between. " + UNIFORM: _boxes(
        lambda u, low, high: torch.where(u < 0.5, low, high)
    ),
    # sides
    "Aspect ratios reach from 9/16 to 16/9: you multiplied one side by r and divided the other by "
    "it. Each takes the square root of r.": _boxes(
        sides=lambda s, r, H, W: _sides(s, r**2, H, W)
    ),
    "You multiplied both sides by the root of r, so the box is a square and the area changes. "
    "One is multiplied, the other divided. " + AREA: _boxes(
        sides=lambda s, r, H, W: _sides(s * r, r / r, H, W)
    ),
    "Only the width has the ratio in it, so the area changes with it. " + AREA: _boxes(
        sides=lambda s, r, H, W: ((s * H * W).sqrt() + 0 * r, (s * H * W * r).sqrt())
    ),
    "Only the height has the ratio in it, so the area changes with it. " + AREA: _boxes(
        sides=lambda s, r, H, W: ((s * H * W / r).sqrt(), (s * H * W).sqrt() + 0 * r)
    ),
    "Only the width has the ratio in it, and without its root, so the area changes with it. "
    + AREA: _boxes(sides=lambda s, r, H, W: ((s * H * W).sqrt() + 0 * r, (s * H * W).sqrt() * r)),
    "Only the height has the ratio in it, and without its root, so the area changes with it. "
    + AREA: _boxes(sides=lambda s, r, H, W: ((s * H * W).sqrt() / r, (s * H * W).sqrt() + 0 * r)),
    "The sides are shares of the image's sides, h = s H and w = s W, with the ratio. " + AREA: (
        _boxes(sides=lambda s, r, H, W: (s * H / r.sqrt(), s * W * r.sqrt()))
    ),
    "The aspect ratio is that of the box in pixels, 3/4..4/3, whatever the shape of the image. "
    "Yours follows the image's: h is a share of H, and w of W.": _boxes(
        sides=lambda s, r, H, W: ((s / r).sqrt() * H, (s * r).sqrt() * W)
    ),
    "The share is that of the whole image's area, height * width. Yours is of height * height.": (
        _boxes(sides=lambda s, r, H, W: _sides(s, r, H, H))
    ),
    "The share is that of the whole image's area, height * width. Yours is of width * width.": (
        _boxes(sides=lambda s, r, H, W: _sides(s, r, W, W))
    ),
    "The share is that of the whole image's area, height * width. Yours is of a square on the mean "
    "of the sides.": _boxes(
        sides=lambda s, r, H, W: _sides(s, r, (H + W) / 2, (H + W) / 2)
    ),
    "The share is that of the whole image's area, height * width. Yours is of a square on the "
    "longer side.": _boxes(sides=lambda s, r, H, W: _sides(s, r, max(H, W), max(H, W)), tries=60),
    "The share is that of the whole image's area, height * width. Yours is of a square on the "
    "shorter side.": _boxes(sides=lambda s, r, H, W: _sides(s, r, min(H, W), min(H, W))),
    "All boxes are square. The aspect ratio is drawn too, in 3/4..4/3.": _boxes(
        ratio=torch.ones_like
    ),
    # ratios
    "The aspect ratio is uniform, so wide boxes are more likely than tall ones. It should be "
    "log-uniform: exp of a uniform number in ln(3/4)..ln(4/3).": _boxes(
        ratio=lambda u: _share(u, 3 / 4, 4 / 3)
    ),
    "Height / width is uniform, so tall boxes are more likely than wide ones. The ratio should be "
    "log-uniform: exp of a uniform number in ln(3/4)..ln(4/3).": _boxes(
        ratio=lambda u: 1 / _share(u, 3 / 4, 4 / 3)
    ),
    "The logarithm of your ratios is to base 10, and exp undoes the natural one. " + RATIO: _boxes(
        ratio=lambda u: _ratio(u).log10().exp()
    ),
    "The logarithm of your ratios is to base 2, and exp undoes the natural one. " + RATIO: _boxes(
        ratio=lambda u: _ratio(u).log2().exp()
    ),
    "You raised 10 to a natural logarithm. " + RATIO: _boxes(ratio=lambda u: 10 ** _ratio(u).log()),
    "You raised 2 to a natural logarithm. " + RATIO: _boxes(ratio=lambda u: 2 ** _ratio(u).log()),
    "The logarithm is missing: r is exp of a number in 3/4..4/3, so all boxes are wide. "
    + RATIO: _boxes(ratio=lambda u: _share(u, 3 / 4, 4 / 3).exp()),
    "All boxes are wider than high: r runs from 1 to 4/3. " + RATIO: _boxes(
        ratio=lambda u: (u * LOG).exp()
    ),
    "All boxes are higher than wide: r runs from 3/4 to 1. " + RATIO: _boxes(
        ratio=lambda u: (-u * LOG).exp()
    ),
    "The aspect ratio is 3/4 or 4/3, and nothing between. " + RATIO: _boxes(
        ratio=lambda u: torch.where(u < 0.5, 3 / 4, 4 / 3).double()
    ),
    "The aspect ratio is always 4/3. " + RATIO: _boxes(ratio=lambda u: 4 / 3 + 0 * u),
    "The aspect ratio is always 3/4. " + RATIO: _boxes(ratio=lambda u: 3 / 4 + 0 * u),
    "The aspect ratio reaches from 1/2 to 2. " + RATIO: _boxes(ratio=lambda u: 2 ** (2 * u - 1)),
    "You took the root of the ratio twice: it reaches only from 0.87 to 1.15. " + RATIO: _boxes(
        ratio=lambda u: _ratio(u).sqrt()
    ),
    # whole pixels
    "The sides are rounded down (int, // or .long()), so every box is a little too small. Take the "
    "nearest whole number: round.": _boxes(whole=torch.floor),
    "The sides are rounded up (ceil), so every box is a little too large. Take the nearest whole "
    "number: round.": _boxes(whole=torch.ceil),
    # what does not fit
    "Boxes that do not fit were cut to the image's size, which changes their aspect ratio. "
    + AGAIN: _boxes(choose=_cut_after(1)),
    **{
        f"You draw {k} times at most, and what does not fit then is cut to the image's size. "
        + AGAIN: _boxes(choose=_cut_after(k))
        for k in (2, 3)
    },
    "Boxes that do not fit are shrunk until they do. " + AGAIN: _boxes(choose=_shrunk),
    "Where a box does not fit you take the whole image. " + AGAIN: _boxes(choose=_or_whole),
    "Where a box does not fit you exchange height and width, or cut it. " + AGAIN: _boxes(
        choose=_or_turned
    ),
    "Only the share is drawn again where a box does not fit (or r is one for all its candidates). "
    + AGAIN: _boxes(kept="r", choose=_cut_after(200), tries=200),
    "Only the aspect ratio is drawn again where a box does not fit (or s is one for all its "
    "candidates). " + AGAIN: _boxes(kept="s", choose=_cut_after(200), tries=200),
    "You draw size and place together, and both again until the box lies in the image. A large box "
    "is thrown away more often so, and becomes rare. Draw the place when the size fits: it then "
    "has room.": _all_at_once,
    "No box is as high or as wide as the image. Such a box fits: h <= height and w <= width.": (
        _boxes(fits=lambda h, w, H, W: (h < H) & (w < W))
    ),
    "You ask of the height alone whether it fits; the width must fit, too. " + AGAIN: _boxes(
        fits=lambda h, w, H, W: h <= H
    ),
    "You ask of the width alone whether it fits; the height must fit, too. " + AGAIN: _boxes(
        fits=lambda h, w, H, W: w <= W
    ),
    "You compare the height with the image's width, and the width with its height. " + AGAIN: (
        _boxes(fits=lambda h, w, H, W: (h <= W) & (w <= H))
    ),
    "Both sides are compared with the shorter one of the image. h <= height and w <= width. "
    + AGAIN: _boxes(fits=lambda h, w, H, W: (h <= min(H, W)) & (w <= min(H, W))),
    "Some boxes are larger than the image: nothing is drawn again, or not if one side fits (or), "
    "or the area. Both sides must fit (and). " + AGAIN: _boxes(
        choose=_one_try
    ),
    "Some boxes are larger than the image, and their place is held at 0. " + AGAIN: _boxes(
        choose=_one_try, place=lambda u, side, all_: _place(u, side, all_).clamp(min=0)
    ),
    # places
    "No box touches the bottom or right edge: the last place is missing. There are height - h + 1 "
    "places, 0 to height - h.": _boxes(place=lambda u, side, all_: (u * (all_ - side)).floor()),
    "The first and the last place are only half as likely as the others: that is what rounding u * "
    "(height - h) does. Take floor(u * (height - h + 1)).": _boxes(
        place=lambda u, side, all_: (u * (all_ - side)).round()
    ),
    "No box touches the top or left edge: you rounded up (ceil), or added 1. " + PLACE: _boxes(
        place=lambda u, side, all_: (u * (all_ - side)).ceil()
    ),
    "One place too many: top may be height - h at most, and yours reaches one further, out of the "
    "image. " + PLACE: _boxes(place=lambda u, side, all_: (u * (all_ - side + 1)).round()),
    "Every box is in the middle of the image. Its place is drawn too, uniformly. " + PLACE: _boxes(
        place=lambda u, side, all_: ((all_ - side) / 2).floor()
    ),
    "top and left are always 0. A box may lie anywhere in the image. " + PLACE: _boxes(
        place=lambda u, side, all_: 0 * side
    ),
    "top is always 0. A box may lie anywhere in the image. " + PLACE: _boxes(
        places=lambda u, v, h, w, H, W: (0 * h, _place(v, w, W))
    ),
    "left is always 0. A box may lie anywhere in the image. " + PLACE: _boxes(
        places=lambda u, v, h, w, H, W: (_place(u, h, H), 0 * w)
    ),
    "Every box lies in the bottom right corner. " + PLACE: _boxes(
        place=lambda u, side, all_: all_ - side
    ),
    "Boxes reach outside the image: their place is drawn in the whole image. It leaves room for "
    "the box. " + PLACE: _boxes(place=lambda u, side, all_: (u * all_).floor()),
    "You draw the place in the whole image and hold it back at the edge, where too many boxes "
    "lie. " + PLACE: _boxes(
        place=lambda u, side, all_: torch.minimum((u * all_).floor(), all_ - side)
    ),
    "You draw the box's middle in the whole image and hold the box back at the edges, where too "
    "many lie. " + PLACE: _boxes(
        place=lambda u, side, all_: torch.minimum(
            (u * all_ - side / 2).floor().clamp(min=0), all_ - side
        )
    ),
    "The room for top is width - w, and that for left height - h: they are exchanged. "
    + PLACE: _boxes(places=lambda u, v, h, w, H, W: (_place(u, w, W), _place(v, h, H))),
    "The room for left is taken from the height. left is one of 0, ..., width - w. " + PLACE: (
        _boxes(places=lambda u, v, h, w, H, W: (_place(u, h, H), _place(v, h, H)))
    ),
    "The room for top is taken from the width. " + PLACE: _boxes(
        places=lambda u, v, h, w, H, W: (_place(u, w, W), _place(v, w, W))
    ),
    "You subtracted the width from the image's height, and the height from its width. " + PLACE: (
        _boxes(places=lambda u, v, h, w, H, W: (_place(u, w, H), _place(v, h, W)))
    ),
    "One random number serves for top and left, so all boxes lie on the diagonal. Each has a draw "
    "of its own. " + PLACE: _boxes(
        places=lambda u, v, h, w, H, W: (_place(u, h, H), _place(u, w, W))
    ),
    "top is the mean of two draws, or one of a bell curve: the middle is too frequent. "
    + PLACE: _boxes(
        places=lambda u, v, h, w, H, W: (
            _place((u + u.roll(1)) / 2, h, H), _place((v + v.roll(1)) / 2, w, W)
        )
    ),
    "Boxes lie in the upper left half only: half the room is used. " + PLACE: _boxes(
        place=lambda u, side, all_: (u * (all_ - side + 1) / 2).floor()
    ),
    **{
        f"Of {side} alone: {words} {PLACE}": _boxes(places=places)
        for words, wrong in (
            ("the last place is missing.", lambda u, side, all_: (u * (all_ - side)).floor()),
            ("you rounded u * (height - h).", lambda u, side, all_: (u * (all_ - side)).round()),
            ("the box is in the middle.", lambda u, side, all_: ((all_ - side) / 2).floor()),
            ("it is drawn in the whole image.", lambda u, side, all_: (u * all_).floor()),
        )
        for side, places in (
            ("top", lambda u, v, h, w, H, W, wrong=wrong: (wrong(u, h, H), _place(v, w, W))),
            ("left", lambda u, v, h, w, H, W, wrong=wrong: (_place(u, h, H), wrong(v, w, W))),
        )
    },
    # columns
    "top and left are exchanged. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (k, t, h, w)
    ),
    "Height and width are exchanged. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t, k, w, h)
    ),
    "The order is left, top, width, height (x before y). " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (k, t, w, h)
    ),
    "The order is height, width, top, left. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (h, w, t, k)
    ),
    "The order is top, height, left, width. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t, h, k, w)
    ),
    "The last two are the bottom and right edges, top + h and left + w. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t, k, t + h, k + w)
    ),
    "The order is left, top, right, bottom. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (k, t, k + w, t + h)
    ),
    "The last two are the bottom and right edges less one pixel. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t, k, t + h - 1, k + w - 1)
    ),
    "The first two are the bottom and right edges, where top and left belong. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t + h, k + w, h, w)
    ),
    "The first two are the middle of the box, where its top left corner belongs. " + COLUMNS: (
        _boxes(columns=lambda t, k, h, w, H, W: (t + h / 2, k + w / 2, h, w))
    ),
    "The first two are the middle of the box, and x comes first. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (k + w / 2, t + h / 2, w, h)
    ),
    "The first two are a middle that is drawn in the whole image, so boxes reach outside. "
    + COLUMNS: _boxes(place=lambda u, side, all_: (u * all_ - side / 2).floor()),
    "Height and width are one pixel too large. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t, k, h + 1, w + 1)
    ),
    "Height and width are one pixel too small. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t, k, h - 1, w - 1)
    ),
    "top and left begin at 1. The first row and column are 0. " + COLUMNS: _boxes(
        columns=lambda t, k, h, w, H, W: (t + 1, k + 1, h, w)
    ),
}  # fmt: skip
