"""Exercise 3.1, crop and resize along one axis: tells apart matrices without antialiasing, half
pixels or normalised rows, and those that reach past the crop.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.core import call, check, expect, expect_close


def _torch_matrix(start: int, length: int, size_in: int, size_out: int) -> Tensor:
    """What torch's antialiased bilinear resize does to each unit vector of the crop."""
    units = torch.eye(length, dtype=torch.float64).view(1, length, 1, length)
    resized = F.interpolate(units, size=(1, size_out), mode="bilinear", antialias=True)
    matrix = torch.zeros(size_out, size_in, dtype=torch.float64)
    matrix[:, start : start + length] = resized[0, :, 0].T
    return matrix


def _mistaken_matrix(
    start, length, size_in, size_out, *, widen="clamped", half_out=0.5, half_in=0.5,
    step=None, cut=True, normalise=1, origin=None, extra=0, kernel="triangle",
) -> Tensor:  # fmt: skip
    """The formula in plain loops, with a slip in one place."""
    step = length / size_out if step is None else step
    width = {
        "clamped": max(1.0, step),
        "never": 1.0,
        "always": step,
        "inverse": 1 / step if step else math.inf,
        "half": max(1.0, step) / 2,
    }[widen]
    shape = {
        "triangle": lambda x: max(0.0, 1 - abs(x)),
        "one-sided": lambda x: max(0.0, 1 - x),
        "negative": lambda x: 1 - abs(x),
        "box": lambda x: float(abs(x) <= 0.5),
        "box, twice as wide": lambda x: float(abs(x) <= 1),
    }[kernel]
    origin = start if origin is None else origin
    m = torch.zeros(size_out, size_in, dtype=torch.float64)
    for i, j in itertools.product(range(size_out), range(size_in)):
        if not cut or start <= j < start + length + extra:
            m[i, j] = shape((j + half_in - (origin + (i + half_out) * step)) / width)
    return m if normalise is None else m / m.sum(dim=normalise, keepdim=True)


@check("3.1", "crop and resize along one axis")
def check_3_1(resize_matrix):
    def examine(start: int, length: int, size_in: int, size_out: int, want: Tensor) -> None:
        case = start, length, size_in, size_out
        both = _mistaken_matrix(*case, half_out=0, half_in=0)
        half = "The half pixel is missing"
        corners = (length - 1) / max(size_out - 1, 1)
        inside = torch.tensor([float(start <= j < start + length) for j in range(size_in)])
        mistakes = {
            "There is no antialiasing: your triangle has the same width however much is shrunk, so "
            "pixels between are skipped and fine stripes turn into coarse ones. Widen it by "
            "max(1, length / size_out).": _mistaken_matrix(*case, widen="never"),
            f"{half}: pixel j reaches from j to j + 1, and its centre is j + 1/2. Old and new "
            "pixels both need it, or the picture is shifted.": both,
            f"{half} in the centres of the new pixels: centre i is start + (i + 1/2) * length / "
            "size_out.": _mistaken_matrix(*case, half_out=0),
            f"{half} in the centres of the old pixels: that of pixel j is j + 1/2.": (
                _mistaken_matrix(*case, half_in=0)
            ),
            "You laid the first and last new pixel on the first and last old one (align_corners). "
            "The crop's borders are what should agree: step length / size_out, and half pixels.": (
                _mistaken_matrix(*case, half_out=0, half_in=0, step=corners)
            ),
            "Rows are not divided by their sum. The weights of a new pixel must sum to 1, or the "
            "picture gets brighter.": _mistaken_matrix(*case, normalise=None),
            "Your columns sum to 1, not your rows. A row holds the weights of one new pixel: sum "
            "over dim=1, keepdim=True.": _mistaken_matrix(*case, normalise=0),
            "The kernel reaches past the crop and mixes in its neighbourhood. Weights outside "
            "[start, start + length) are 0; set them so before you normalise.": _mistaken_matrix(
                *case, cut=False
            ),
            "Weights outside the crop are 0, but you cut after you normalised: the rows at its "
            "border no longer sum to 1. Cut first, then normalise.": _mistaken_matrix(
                *case, cut=False
            )
            * inside,
            "This is the matrix turned round, (size_in, size_out). A row belongs to a new pixel: "
            "(size_out, size_in).": want.T,
            "You resized the whole axis; only [start, start + length) should be in the "
            "picture.": _torch_matrix(0, size_in, size_in, size_out),
            "You cut the first pixels: start is not used.": _torch_matrix(
                0, length, size_in, size_out
            ),
            "The centres begin at 0: start is not in them. Centre i is start + (i + 1/2) * length "
            "/ size_out.": _mistaken_matrix(*case, origin=0),
            "One pixel too many: the crop ends before start + length, so that pixel has weight "
            "0.": _mistaken_matrix(*case, extra=1),
            "You divided by the sum of the whole matrix. Each row is divided by its own: "
            "sum(dim=1, keepdim=True).": _mistaken_matrix(*case, normalise=(0, 1)),
            "The step is a whole number (//): length / size_out is a fraction as a "
            "rule.": _mistaken_matrix(*case, step=length // size_out),
            "The step is upside down, size_out / length. From one new pixel to the next it is "
            "length / size_out old ones.": _mistaken_matrix(*case, step=size_out / length),
            "The triangle has one side only: take the distance's absolute value.": (
                _mistaken_matrix(*case, kernel="one-sided")
            ),
            "Weights become negative beyond the triangle. There they are 0: "
            ".clamp(min=0).": _mistaken_matrix(*case, kernel="negative"),
            "Your triangle is half as wide as it should be: it reaches max(1, length / size_out) "
            "to either side.": _mistaken_matrix(*case, widen="half"),
            "The step is that of the whole axis, size_in / size_out. The crop is what is resized: "
            "length / size_out.": _mistaken_matrix(*case, step=size_in / size_out),
            "The triangle gets narrower where it should get wider: divide the distance by "
            "max(1, length / size_out).": _mistaken_matrix(*case, widen="inverse"),
            "Enlarging, your triangle gets narrower than a pixel, and rows are empty or copies. "
            "The width is max(1, length / size_out).": _mistaken_matrix(*case, widen="always"),
            "You took plain means (a box). The weights form a triangle: they fall off with the "
            "distance.": _mistaken_matrix(*case, kernel="box"),
            "You took plain means (a box). The weights form a triangle, which falls off with the "
            "distance.": _mistaken_matrix(*case, kernel="box, twice as wide"),
        }  # fmt: skip
        got = call(resize_matrix, *case)
        what = f"resize_matrix({start}, {length}, {size_in}, {size_out})"
        if isinstance(got, Tensor):
            got = got.detach()
        expect_close(got, want, mistakes, names="(size_out, size_in)", what=what)
        expect(got.is_floating_point(), "The matrix holds weights; it should be of a float dtype.")

    # By hand: centres 1.5 and 4.5; pixel centres .5, 1.5, ...; a triangle 3 to either side.
    row = torch.tensor([2.0, 3.0, 2.0, 1.0, 0.0, 0.0], dtype=torch.float64) / 8
    examine(0, 6, 6, 2, torch.stack([row, row.flip(0)]))
    # Shrinking, enlarging, leaving as it is; then torch's own resize for each.
    for case in ((3, 10, 16, 4), (2, 4, 8, 7), (0, 5, 5, 5), (1, 7, 9, 3)):
        examine(*case, _torch_matrix(*case))
