"""Exercise 3.1, crop and resize along one axis: matrices without antialiasing, half pixels or
normalised rows, with other steps and kernels, and those that reach past the crop.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import check, close, expect


def _right(start: int, length: int, size_in: int, size_out: int, **how) -> Tensor:
    """What torch's antialiased bilinear resize does to each unit vector of the crop."""
    units = torch.eye(length, dtype=torch.float64).view(1, length, 1, length)
    how = {"mode": "bilinear", "antialias": True} | how
    resized = F.interpolate(units, size=(1, size_out), **how)[0, :, 0].T
    return F.pad(resized, (start, size_in - start - length))


def _rows(w: Tensor) -> Tensor:
    return w / w.sum(1, keepdim=True)


def _matrix(
    step=lambda s, k, n, m: k / m,
    width=lambda s, k, n, m: max(1.0, k / m),
    center=lambda s, i, step: s + (i + 0.5) * step,
    pixel=0.5,
    kernel=lambda d: (1 - d.abs()).clamp(min=0),
    crop=lambda s, k, n, j: (j >= s) & (j < s + k),
    finish=_rows,
):
    """The formula with one piece changed, as a function of start, length, size_in, size_out."""

    def matrix(s: int, k: int, n: int, m: int) -> Tensor:
        i, j = torch.arange(m).double(), torch.arange(n).double()
        d = j + pixel - center(s, i, step(s, k, n, m))[:, None]
        return finish(kernel(d / width(s, k, n, m)) * crop(s, k, n, j))

    return matrix


def _corners(s, k, n, m):
    return (k - 1) / max(m - 1, 1)


def _everywhere(s, k, n, j):
    return j >= 0


def _cubic(d: Tensor) -> Tensor:
    t, u = (2 - d.abs()).clamp(min=0), (1 - d.abs()).clamp(min=0)
    return t * t * (t - 1) / 2 + u * u * (1 - 2 * u)


def _at_the_border(reflect: bool):
    """What lies outside the crop counts as a pixel of the crop, that at its edge or mirrored."""

    def matrix(s: int, k: int, n: int, m: int) -> Tensor:
        wide = _matrix(crop=_everywhere)(k, k, 3 * k, m)  # the crop, and as much on either side
        left, middle, right = wide.split(k, dim=1)
        out = middle.clone()
        if reflect:
            out += left.flip(1) + right.flip(1)
        else:
            out[:, 0] += left.sum(1)
            out[:, -1] += right.sum(1)
        return F.pad(out, (s, n - s - k))

    return matrix


HALF = "The half pixel is missing"
CENTRE = "Centre i is start + (i + 1/2) * length / size_out."
WIDTH = "The width is max(1, length / size_out)."
SUM = "Divide each row by its own sum: sum(dim=1, keepdim=True)."
CURVE = "The weights form a triangle, 1 - |distance| / width, and 0 beyond it."
SCALED = "The triangle's width is wrong: you {}. " + WIDTH

MISTAKES = {
    "There is no antialiasing: your triangle has the same width however much is shrunk, so pixels "
    "between are skipped and fine stripes turn into coarse ones. Widen it by max(1, length / "
    "size_out).": _matrix(width=lambda *c: 1.0),
    f"{HALF}: pixel j reaches from j to j + 1, and its centre is j + 1/2. Old and new pixels both "
    "need it, or the picture is shifted.": _matrix(center=lambda s, i, t: s + i * t, pixel=0),
    f"{HALF} in the centres of the new pixels. {CENTRE}": _matrix(
        center=lambda s, i, t: s + i * t
    ),
    f"{HALF} in the centres of the old pixels: that of pixel j is j + 1/2.": _matrix(pixel=0),
    "Half an old pixel is taken away twice: from the old pixels' centres or from the new ones'. "
    f"Pixel j has its centre at j + 1/2. {CENTRE}": _matrix(pixel=1),
    f"You added a whole pixel, i + 1, to the new pixels where it is half of one. {CENTRE}": _matrix(
        center=lambda s, i, t: s + (i + 1) * t
    ),
    "You laid the first and last new pixel on the first and last old one (align_corners). The "
    "crop's borders are what should agree: step length / size_out, and half pixels.": _matrix(
        _corners, width=lambda *c: max(1.0, _corners(*c)), center=lambda s, i, t: s + i * t, pixel=0
    ),
    "You laid the first and last new pixel on the first and last old one (align_corners), with the "
    "right width of the triangle. The crop's borders are what should agree.": _matrix(
        _corners, center=lambda s, i, t: s + i * t, pixel=0
    ),
    "Your centres run from the crop's first border to its last (linspace). The new pixels lie "
    f"between: the first centre is half a step inside. {CENTRE}": _matrix(
        lambda s, k, n, m: k / max(m - 1, 1), center=lambda s, i, t: s + i * t
    ),
    f"You rounded the centres down to whole pixels; they lie between. {CENTRE}": _matrix(
        center=lambda s, i, t: (s + (i + 0.5) * t).floor()
    ),
    f"You rounded the centres to whole pixels; they lie between. {CENTRE}": _matrix(
        center=lambda s, i, t: (s + (i + 0.5) * t).round()
    ),
    f"The centres begin at 0: start is not in them. {CENTRE}": _matrix(
        center=lambda s, i, t: (i + 0.5) * t
    ),
    f"You took start away from the centres; it is added. {CENTRE}": _matrix(
        center=lambda s, i, t: (i + 0.5) * t - s
    ),
    f"The step multiplies start too. start is in old pixels already: add it afterwards. {CENTRE}": (
        _matrix(center=lambda s, i, t: (s + i + 0.5) * t)
    ),
    "The step is a whole number (//): length / size_out is a fraction as a rule.": _matrix(
        lambda s, k, n, m: k // m, width=lambda s, k, n, m: max(1, k // m)
    ),
    "The step is a whole number (//) in the centres: length / size_out is a fraction as a "
    "rule.": _matrix(lambda s, k, n, m: k // m),
    "The step is upside down, size_out / length. From one new pixel to the next it is length / "
    "size_out old ones.": _matrix(
        lambda s, k, n, m: m / k, width=lambda s, k, n, m: max(1.0, m / k)
    ),
    "The step is upside down in the centres: size_out / length. From one new pixel to the next it "
    "is length / size_out old ones.": _matrix(lambda s, k, n, m: m / k),
    "The step is that of the whole axis, size_in / size_out. The crop is what is resized: length / "
    "size_out.": _matrix(lambda s, k, n, m: n / m, width=lambda s, k, n, m: max(1.0, n / m)),
    "The centres' step is that of the whole axis, size_in / size_out. The crop is what is resized: "
    "length / size_out.": _matrix(lambda s, k, n, m: n / m),
    "The step is missing from the centres: they are one old pixel apart, and should be length / "
    f"size_out. {CENTRE}": _matrix(lambda *c: 1),
    SCALED.format("took that of the whole axis, size_in / size_out"): _matrix(
        width=lambda s, k, n, m: max(1.0, n / m)
    ),
    SCALED.format("took size_out / length, which widens it where the crop is enlarged"): _matrix(
        width=lambda s, k, n, m: max(1.0, m / k)
    ),
    SCALED.format("took a whole number (//)"): _matrix(width=lambda s, k, n, m: max(1, k // m)),
    SCALED.format("rounded it up"): _matrix(width=lambda s, k, n, m: max(1, -(-k // m))),
    SCALED.format("wrote min in place of max"): _matrix(width=lambda s, k, n, m: min(1.0, k / m)),
    SCALED.format("added the two, 1 + length / size_out"): _matrix(
        width=lambda s, k, n, m: 1 + k / m
    ),
    SCALED.format("squared it"): _matrix(width=lambda s, k, n, m: max(1.0, k / m) ** 2),
    SCALED.format("took its root"): _matrix(width=lambda s, k, n, m: max(1.0, k / m) ** 0.5),
    SCALED.format("took the length of the crop"): _matrix(width=lambda s, k, n, m: k),
    "Your triangle is half as wide as it should be: it reaches max(1, length / size_out) to either "
    "side.": _matrix(width=lambda s, k, n, m: max(1.0, k / m) / 2),
    "Your triangle is twice as wide as it should be: it reaches max(1, length / size_out) to "
    "either side.": _matrix(width=lambda s, k, n, m: max(1.0, k / m) * 2),
    "The triangle gets narrower where it should get wider: divide the distance by max(1, length / "
    "size_out).": _matrix(width=lambda s, k, n, m: m / k),
    "The triangle gets narrower where it should get wider: you multiplied the distance by max(1, "
    "length / size_out). Divide.": _matrix(width=lambda s, k, n, m: 1 / max(1.0, k / m)),
    f"Enlarging, your triangle gets narrower than a pixel, and rows are empty or copies. {WIDTH}": (
        _matrix(width=lambda s, k, n, m: k / m)
    ),
    "The triangle has one side only: take the distance's absolute value.": _matrix(
        kernel=lambda d: (1 - d).clamp(min=0)
    ),
    "The triangle has one side only, the left: take the distance's absolute value.": _matrix(
        kernel=lambda d: (1 + d).clamp(min=0)
    ),
    "Weights become negative beyond the triangle. There they are 0: .clamp(min=0).": _matrix(
        kernel=lambda d: 1 - d.abs()
    ),
    "Beyond the triangle the weights rise again: the absolute value belongs to the distance, and "
    "what becomes negative is 0, .clamp(min=0).": _matrix(kernel=lambda d: (1 - d.abs()).abs()),
    "These weights are distances: the nearest pixel gets the least. " + CURVE: _matrix(
        kernel=lambda d: d.abs()
    ),
    "Pixels at a distance of more than the width keep weights: you clamped the distance and not "
    "the weight, or took 1 / (1 + distance). " + CURVE: _matrix(kernel=lambda d: 1 / (1 + d.abs())),
    "You took plain means (a box) of the pixels around. " + CURVE: _matrix(
        kernel=lambda d: (d.abs() <= 0.5).double()
    ),
    "You took plain means (a box), twice as wide. " + CURVE: _matrix(
        kernel=lambda d: (d.abs() < 1).double()
    ),
    "You took plain means by area (mode='area', average pooling). " + CURVE: (
        lambda *c: _right(*c, mode="area", antialias=False)
    ),
    "Each new pixel is a copy of the nearest old one; the rest is skipped. " + CURVE: (
        lambda *c: _right(*c, mode="nearest-exact", antialias=False)
    ),
    "Each new pixel is a copy of one old one (mode='nearest'); the rest is skipped. " + CURVE: (
        lambda *c: _right(*c, mode="nearest", antialias=False)
    ),
    "You squared the distance: 1 - d^2 is a parabola. " + CURVE: _matrix(
        kernel=lambda d: (1 - d * d).clamp(min=0)
    ),
    "You squared the weights. " + CURVE: _matrix(kernel=lambda d: (1 - d.abs()).clamp(min=0) ** 2),
    "This is the cubic kernel. The triangle is asked for: 1 - |distance|.": _matrix(kernel=_cubic),
    "Your kernel reaches past the crop and mixes its neighbourhood in. Weights outside [start, "
    "start + length) are 0; set them so before you normalise.": _matrix(crop=_everywhere),
    "Weights outside the crop are 0, but you cut after you normalised: the rows at its border no "
    "longer sum to 1. Cut first, then normalise.": lambda s, k, n, m: (
        _matrix(crop=_everywhere)(s, k, n, m) * (_right(s, k, n, m).amax(0) > 0)
    ),
    "At the crop's border you repeated its outermost pixels. Here weights outside the crop are 0, "
    "and the rest is divided by its sum.": _at_the_border(reflect=False),
    "At the crop's border you mirrored the picture. Here weights outside the crop are 0, and the "
    "rest is divided by its sum.": _at_the_border(reflect=True),
    "You resized the whole axis; only [start, start + length) should be in the picture.": (
        lambda s, k, n, m: _right(0, n, n, m)
    ),
    "You cut the first pixels: start is not used.": lambda s, k, n, m: _right(0, k, n, m),
    "The crop lies where start would be, were it counted from the far end: the zeros are padded on "
    "the wrong sides, or rows and columns both run backwards. start pixels come before it.": (
        lambda s, k, n, m: _right(n - s - k, k, n, m)
    ),
    "You took length for the end of the crop. It is its length: the crop ends before start + "
    "length.": lambda s, k, n, m: _right(s, k - s, n, m),
    "You cut at length in place of start + length: the crop is [start, start + length).": _matrix(
        crop=lambda s, k, n, j: (j >= s) & (j < k)
    ),
    "You cut everything from `length` on and nothing before start: the crop is [start, start + "
    "length).": _matrix(crop=lambda s, k, n, j: j < k),
    "Before start the weights are not cut: the crop is [start, start + length).": _matrix(
        crop=lambda s, k, n, j: j < s + k
    ),
    "Behind the crop's end the weights are not cut: the crop is [start, start + length).": _matrix(
        crop=lambda s, k, n, j: j >= s
    ),
    "One pixel too many: the crop ends before start + length, so that pixel has weight 0.": _matrix(
        crop=lambda s, k, n, j: (j >= s) & (j <= s + k)
    ),
    "The crop's first pixel is left out: start itself belongs to it.": _matrix(
        crop=lambda s, k, n, j: (j > s) & (j < s + k)
    ),
    "The crop's last pixel is left out: start + length - 1 belongs to it.": _matrix(
        crop=lambda s, k, n, j: (j >= s) & (j < s + k - 1)
    ),
    "The crop's first and last pixel are left out: start and start + length - 1 belong to it.": (
        _matrix(crop=lambda s, k, n, j: (j > s) & (j < s + k - 1))
    ),
    "Rows are not divided by their sum. The weights of a new pixel must sum to 1, or the picture "
    "gets brighter.": _matrix(finish=lambda w: w),
    f"Your columns sum to 1, not your rows. A row holds the weights of one new pixel. {SUM}": (
        _matrix(finish=lambda w: w / w.sum(0, keepdim=True))
    ),
    f"You divided by the sum of the whole matrix. {SUM}": _matrix(finish=lambda w: w / w.sum()),
    f"You divided by the sum without keepdim=True, and each row meets another's sum. {SUM}": (
        _matrix(finish=lambda w: w / w.sum(1))
    ),
    f"You divided by the mean of the row. {SUM}": _matrix(
        finish=lambda w: w / w.mean(1, keepdim=True)
    ),
    f"You divided by the largest weight of the row. {SUM}": _matrix(
        finish=lambda w: w / w.amax(1, keepdim=True)
    ),
    f"You divided by the row's length, the root of the sum of squares. {SUM}": _matrix(
        finish=lambda w: w / w.norm(dim=1, keepdim=True)
    ),
    f"You divided by the step. At the crop's border that is not the sum. {SUM}": (
        lambda s, k, n, m: _matrix(finish=lambda w: w / (k / m))(s, k, n, m)
    ),
    f"You divided by the triangle's width. At the crop's border that is not the sum. {SUM}": (
        lambda s, k, n, m: _matrix(finish=lambda w: w / max(1.0, k / m))(s, k, n, m)
    ),
    f"You divided by the number of pixels, not by the sum of their weights. {SUM}": _matrix(
        finish=lambda w: w / (w > 0).sum(1, keepdim=True)
    ),
    f"A softmax takes exponentials, so that pixels outside the triangle count too. {SUM}": _matrix(
        finish=lambda w: w.softmax(1)
    ),
    "This is the matrix turned round, (size_in, size_out). A row belongs to a new pixel: "
    "(size_out, size_in).": lambda *c: _right(*c).T,
    "The matrix is turned round, center - pixel[:, None], and then its old pixels were normalised. "
    "A row belongs to a new pixel: pixel - center[:, None].": _matrix(
        finish=lambda w: _rows(w.T)
    ),
    "size_in and size_out are exchanged: a row belongs to a new pixel, (size_out, size_in), and "
    "the step is length / size_out.": lambda s, k, n, m: _matrix()(s, k, m, n),
    "You returned the crop's columns only. The matrix goes with the whole axis, (size_out, "
    "size_in), with 0 outside the crop.": lambda s, k, n, m: _right(s, k, n, m)[:, s : s + k],
    **{
        f"The weights are rounded to {what}: a row no longer sums to 1.": (
            lambda *c, q=q: (_right(*c) * q).round() / q
        )
        for what, q in (("1/256", 256), ("1/255", 255), ("two digits", 100), ("three digits", 1000))
    },
}  # fmt: skip


def _cut(w: Tensor) -> Tensor:
    """Without the columns that are all 0."""
    return w[:, w.abs().amax(0) > 1e-9]


def _falls_off(got: Tensor, want: Tensor) -> bool:
    """0 where the crop is not, rows that sum to 1, and less weight the less the triangle gives."""
    got, inside = got.double(), want.amax(0).expand_as(got) > 0
    counts = want > 0
    in_order = got.where(counts, -1).gather(1, want.argsort(dim=1, descending=True)).diff(dim=1)
    lowest = got.where(counts, 1).amin(1, keepdim=True)
    sums = (got.sum(1) - 1).abs().max() < 1e-4
    less = (got.where(~counts, 0) <= lowest + 1e-6).all() and (in_order <= 1e-6).all()
    return bool(sums and less and (got[~inside] == 0).all())


def _lies(sign: int):
    """Rows that sum to 1, whose means lie to one side of where they belong."""

    def holds(got: Tensor, want: Tensor) -> bool:
        off = sign * ((got.double() - want) @ torch.arange(got.shape[1]).double())
        return (got.sum(1) - 1).abs().max() < 1e-4 and off.min() > 1e-3

    return holds


PROPERTIES = {
    "The matrix holds whole numbers. Weights are fractions: leave them floats.": (
        lambda g, w: not g.is_floating_point()
    ),
    "The weights are right but stand in other columns. Old pixel j is column j: start zeros come "
    "before the crop.": lambda g, w: g.shape == w.shape and close(_cut(g), _cut(w)),
    "The crop's weights are right but the columns outside it are not as they should be: the matrix "
    "has size_in columns, 0 outside the crop.": lambda g, w: close(_cut(g), _cut(w)),
    f"Each row is right but for a factor: it does not sum to 1. {SUM} Nothing is added to it.": (
        lambda g, w: close(g, w * g.double().sum(1, keepdim=True), 1e-6)
    ),
    f"The rows are centred rightly and sum to 1, but fall off by another curve. {CURVE} {WIDTH}": (
        _falls_off
    ),
    "Some weights outside the crop are not 0. Only the pixels start <= j < start + length are in "
    "the picture.": (
        lambda g, w: g.shape == w.shape and (g[w.amax(0).expand_as(g) == 0].abs() > 1e-6).any()
    ),
    f"The rows do not sum to 1. {SUM}": (
        lambda g, w: g.shape == w.shape and (g.sum(1) - 1).abs().max() > 1e-3
    ),
    f"Each new pixel is taken from too far to the right. {CENTRE}": _lies(1),
    f"Each new pixel is taken from too far to the left. {CENTRE}": _lies(-1),
}


@check("3.1", "crop and resize along one axis")
def check_3_1(resize_matrix):
    # By hand: centres 1.5 and 4.5, a triangle 3 to either side: 2 : 3 : 2 : 1. Then shrinking,
    # enlarging and leaving as it is; start is never what is left over at the end.
    cases = [(0, 6, 6, 2), (1, 10, 17, 4), (4, 11, 18, 3), (2, 4, 9, 7), (3, 6, 13, 6)]
    got = compare(
        resize_matrix,
        cases,
        _right,
        MISTAKES,
        names="(size_out, size_in)",
        what="The matrix",
        properties=PROPERTIES,
    )
    expect(
        all(g.is_floating_point() for g in got),
        "The matrix holds weights; it should be of a float dtype.",
    )
