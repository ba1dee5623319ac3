"""Checks of notebook 03: resize as a matrix, boxes, colours, blur, multi-crop."""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_tensor,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _expect_device_of_inputs(answer, *args) -> None:
    """As ``expect_any_device``, for answers that may also loop and read values (meta has none)."""
    try:
        expect_any_device(answer, *args)
    except (RuntimeError, NotImplementedError, Wrong) as error:
        cause = error.__context__ if isinstance(error, Wrong) else error
        if torch.cuda.is_available() or cause is None or "device" in str(cause):
            raise


# ---------------------------------------------------------------- 3.1 one axis


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


# ---------------------------------------------------------------- 3.2 a batch of two products


def _stochastic(*shape: int) -> Tensor:
    return (2 * torch.randn(*shape)).softmax(dim=-1)


@check("3.2", "crop, resize and flip in two products")
def check_3_2(crop_resize):
    def product(images, rows, columns):
        """Loops over images and channels, float64."""
        out = [
            torch.stack([r @ channel @ c.T for channel in image])
            for image, r, c in zip(
                images.double() / 255, rows.double(), columns.double(), strict=True
            )
        ]
        return torch.stack(out)

    def flipped(x, flip, *dims):
        return torch.stack([v.flip(*dims) if f else v for v, f in zip(x, flip, strict=True)])

    def examine(images, rows, columns, flip):
        plain = product(images, rows, columns)
        want = flipped(plain, flip, [2]).clamp(0, 1)
        of_another = torch.stack(
            [b if f else a for a, b, f in zip(columns, columns.flip(0), flip, strict=True)]
        )
        first = product(images, *(m[:1].expand_as(m) for m in (rows, columns)))
        mistakes = {
            "The view is upside down: you flipped the rows. A horizontal flip exchanges left and "
            "right, so it reverses the columns (the last dimension).": flipped(plain, flip, [1]),
            "You turned the view by half a circle: rows and columns are both reversed. Only the "
            "columns are.": flipped(plain, flip, [1, 2]),
            "The flip is not used.": plain,
            "You flipped all images. Each has a coin of its own: flip[i].": plain.flip(-1),
            "You flipped just those that should not be flipped.": flipped(plain, ~flip, [2]),
            "You mirrored the image before cutting, so the crop comes from the other side. Reverse "
            "the order of the new pixels: columns.flip(1), not columns.flip(2).": product(
                images, rows, flipped(columns, flip, [1])
            ),
            "The bytes are not divided by 255 before you clamp, so nearly all is 1. First turn "
            "them into floats in 0..1.": (want * 255).clamp(0, 1),
            "You reversed dimension 0 of the columns, the images: each got another's matrix. The "
            "new pixels are dimension 1.": product(images, rows, of_another).clamp(0, 1),
            "The values are in 0..255. Everything after this expects 0..1: divide the bytes by "
            "255.": want * 255,
            "The view is transposed: rows and columns are exchanged in the result. Y = R X C^T "
            "keeps the rows first.": want.transpose(2, 3),
            "You used the matrices of the first image for all: one crop for the whole batch. Image "
            "i goes with rows[i] and columns[i].": flipped(first, flip, [2]),
            "You did not clamp. A cubic kernel has negative weights and overshoots: .clamp(0, 1) "
            "at the end.": flipped(plain, flip, [2]),
        }
        if images.shape[2] == images.shape[3]:
            swapped = product(images, columns, rows)
            for dim, more in ((2, ""), (1, " Then the flip reverses the columns, too.")):
                mistakes[
                    "Rows and columns are swapped: the matrix for the height was applied to the "
                    f"width. Y = R X C^T, R from the left.{more}"
                ] = flipped(swapped, flip, [dim])
            mistakes[
                "Your einsum applies the matrix for the height to the width, and the view lies on "
                'its side. In "nsh,nchw,ntw->ncst" rows and image share h, columns and image w.'
            ] = product(images, flipped(columns, flip, [0]), rows).mT
        try:
            got = call(crop_resize, images, rows, columns, flip)
        except RuntimeError as error:
            if images.shape[2] != images.shape[3]:
                error.add_note("(this image is not square: rows go with H, columns with W)")
            raise
        expect_close(got, want, mistakes, names="(n, 3, S, S)")
        expect(got.dtype == torch.float32, f"The result is {got.dtype}; expected torch.float32.")

    # By hand: a matrix leaves all as it is, or makes the second new pixel the mean of both.
    square = torch.tensor([[0, 51], [153, 255]], dtype=torch.uint8).expand(2, 3, 2, 2)
    same, half = torch.eye(2), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    examine(
        square, torch.stack([half, same]), torch.stack([same, half]), torch.tensor([True, False])
    )
    flip = torch.tensor([True, False, True])
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    examine(images, _stochastic(3, 5, 8), _stochastic(3, 5, 8), flip)
    images = torch.randint(0, 256, (3, 3, 6, 9), dtype=torch.uint8)
    rows, columns = _stochastic(3, 4, 6), _stochastic(3, 4, 9)
    examine(images, rows, columns, flip)
    sharp = 2 * rows - 1 / 6  # rows still sum to 1, some weights are negative as a cubic's are
    examine(images, sharp, columns, flip)
    _expect_device_of_inputs(crop_resize, images, rows, columns, flip)


# ---------------------------------------------------------------- 3.3 boxes


def _distance_from_uniform(x: Tensor, low: float, high: float) -> float:
    """Kolmogorov-Smirnov: the largest gap between two cumulative distributions."""
    cdf = ((x.double().sort().values - low) / (high - low)).clamp(0, 1)
    n = len(x)
    step = torch.arange(n, dtype=torch.float64) / n
    return max((cdf - step).abs().max().item(), (cdf - step - 1 / n).abs().max().item())


def _mean_share_that_fits(low: float, high: float, n: int = 1500) -> float:
    """Mean share of boxes drawn until one fits a square image, on a grid over s and ln r."""
    s = low + (high - low) * (torch.arange(n, dtype=torch.float64) + 0.5) / n
    log_r = math.log(4 / 3) * (2 * (torch.arange(n, dtype=torch.float64) + 0.5) / n - 1)
    fits = (s[:, None] * log_r.abs().exp() <= 1).double()
    return ((s[:, None] * fits).sum() / fits.sum()).item()


@check("3.3", "random boxes")
def check_3_3(draw_boxes):
    def boxes(n, height, width, scale, seed=0):
        generator = torch.Generator().manual_seed(seed)
        got = call(draw_boxes, n, height, width, scale, generator)
        expect_tensor(got, (n, 4), "(n, top left height width)", what="The result (boxes)")
        expect(
            not got.is_floating_point(),
            f"The boxes are {got.dtype}. They are whole pixels: .long() at the end.",
        )
        expect(
            got.dtype == torch.int64, f"The boxes are {got.dtype}; expected torch.int64 (.long())."
        )
        return got

    def inside(got, height, width):
        top, left, h, w = got.unbind(1)
        expect((h >= 1).all() and (w >= 1).all(), "Some boxes have a side of 0 pixels or less.")

        def fits(top, left, h, w) -> bool:
            return bool((top + h <= height).all() and (left + w <= width).all())

        expect(
            fits(top, left, h, w) or not (fits(top, left, w, h) or fits(left, top, w, h)),
            "Height and width are exchanged. The columns are top, left, height, width.",
        )
        expect(
            not ((h > height).any() or (w > width).any()),
            "Some boxes are larger than the image. Draw share and aspect ratio again until the "
            "box fits.",
        )
        expect((top >= 0).all() and (left >= 0).all(), "Some boxes begin above or left of 0.")
        expect(
            fits(top, left, h, w),
            "Some boxes reach outside the image: top may be at most height - h, left at most "
            "width - w.",
        )

    # By hand: a quarter of the area of 400 x 400 has sides between 200 / 1.155 and 200 * 1.155.
    got = boxes(6, 400, 400, (0.25, 0.25))
    expect(
        not (got[1:] == got[0]).all(),
        "All boxes are the same: you drew once for the whole batch. Each of the n views has a "
        "draw of its own.",
    )
    expect(
        torch.equal(boxes(6, 400, 400, (0.25, 0.25)), got),
        "The same seed gives other boxes. Pass generator=generator to every torch.rand, or no run "
        "can be repeated.",
    )
    state = torch.Generator().manual_seed(0)
    again = [draw_boxes(6, 400, 400, (0.25, 0.25), state) for _ in range(2)]
    expect(
        not torch.equal(*again),
        "Two calls with the same generator give the same boxes: you seed it inside, so every view "
        "would be cut alike. Only draw from it.",
    )

    n, low, high = 20_000, 0.1, 0.3  # every such box fits into a square image
    got = boxes(n, 1000, 1000, (low, high))
    top, left, h, w = got.double().unbind(1)
    share, ratio = h * w / 1e6, w / h
    inside(got, 1000, 1000)
    expect(
        ratio.log().abs().max() > 0.01,
        "All boxes are square. The aspect ratio is drawn too, in 3/4..4/3.",
    )
    for start, side, name in ((top, h, "top"), (left, w, "left")):
        expect(
            not (start == 0).all(),
            f"{name} is always 0. A box may lie anywhere in the image.",
        )
        expect(
            not ((start - (1000 - side) / 2).abs() <= 1).all(),
            "Every box is in the middle of the image. Its place is drawn too, uniformly.",
        )
    for name, column in (
        ("share", share.log()),
        ("aspect ratio", ratio.log()),
        ("place", top / (1000 - h)),
        ("place", left / (1000 - w)),
    ):
        expect(
            column.std() > 0.01,
            f"The {name} is the same for all boxes: you drew it once for the whole batch. Each "
            "view has a draw of its own.",
        )
    near = 0.03  # 4 times what chance alone would do to 20,000 draws
    expect(
        _distance_from_uniform(share.sqrt(), low, high) > near,
        "The scale went into the side of the box instead of its area: a scale of 0.25 is a "
        "quarter of the area, so half the side. Take the square root.",
    )
    quarter = math.log(4 / 3)
    squared = (ratio.log() / (2 * quarter)).abs()
    expect(
        not (0.9 < squared.max() <= 1.02 and (ratio.log().abs() > 1.1 * quarter).any()),
        "Aspect ratios reach from 9/16 to 16/9: you multiplied one side by r and divided the "
        "other by it. Each takes the square root of r.",
    )
    expect(
        _distance_from_uniform(share, low, high) < near,
        "The share of the area is not uniform in the scale. Draw s uniformly; then h = "
        "sqrt(s H W / r) and w = sqrt(s H W r).",
    )
    expect(
        min(
            _distance_from_uniform(ratio, 3 / 4, 4 / 3),
            _distance_from_uniform(1 / ratio, 3 / 4, 4 / 3),
        )
        > near,
        "The aspect ratio is uniform, so wide boxes are more likely than tall ones. It should be "
        "log-uniform: exp of a uniform number in ln(3/4)..ln(4/3).",
    )
    expect(
        _distance_from_uniform(ratio.log(), -quarter, quarter) < near,
        "The aspect ratio is not log-uniform in 3/4..4/3.",
    )
    for start, side, name, edge in ((top, h, "top", "height - h"), (left, w, "left", "width - w")):
        room = (start + 0.5) / (1000 - side + 1)
        expect(
            _distance_from_uniform(room, 0, 1) < near,
            f"The place of the boxes is not uniform: {name} is one of 0, 1, ..., {edge}, each as "
            "likely.",
        )
    r = torch.corrcoef(torch.stack([share, ratio.log(), top / (1000 - h), left / (1000 - w)]))
    expect(
        (r - torch.eye(4)).abs().max() < 0.05,
        "Two of the four draws go together, as if one random number served for both. Share, "
        "aspect ratio, top and left are drawn independently.",
    )

    # A wide image: height and width take their places.
    wide = boxes(2000, 40, 120, (0.05, 0.15))  # each of them fits
    inside(wide, 40, 120)
    relative = wide[:, 3].double() / wide[:, 2]
    expect(
        relative.max() < 1.5,
        "The aspect ratio is that of the box in pixels, 3/4..4/3, whatever the shape of the "
        "image. Yours follows the image's.",
    )
    mean = (wide[:, 2] * wide[:, 3]).double().mean().item() / (40 * 120)
    expect(
        abs(mean - 0.1) < 0.01,
        "The share is that of the whole image's area, height * width. In images of 40 x 120 px "
        f"your boxes cover {mean:.2f} on average where it should be 0.10.",
    )
    # Sides of a few pixels show how they are rounded.
    ratio = torch.linspace(-1, 1, 2001).mul(math.log(4 / 3)).exp()
    want, down = (
        (how((0.3 * 64 / ratio).sqrt()) * how((0.3 * 64 * ratio).sqrt())).mean().item()
        for how in (torch.round, torch.floor)
    )
    got = boxes(4000, 8, 8, (0.3, 0.3))
    mean = (got[:, 2] * got[:, 3]).double().mean().item()
    expect(
        abs(mean - down) > 0.5,
        "The sides are rounded down (int, // or .long()), so every box is a little too small. Take "
        "the nearest whole number: round.",
    )
    expect(
        abs(mean - want) < 0.5,
        f"The sides are not rounded to the nearest pixel: of 19.2 square pixels your boxes have "
        f"{mean:.1f} on average.",
    )
    # A small image: the last place is reached.
    small = boxes(4000, 8, 8, (0.2, 0.5))
    inside(small, 8, 8)
    expect(
        (small[:, 0] + small[:, 2] == 8)[small[:, 2] < 8].any()
        and (small[:, 1] + small[:, 3] == 8)[small[:, 3] < 8].any(),
        "No box touches the bottom or right edge: the last place is missing. There are height - h "
        "+ 1 places, 0 to height - h.",
    )
    for start, side in ((small[:, 0], small[:, 2]), (small[:, 1], small[:, 3])):
        room = (8 - side).double()
        at_an_edge = ((start == 0) | (start == 8 - side)).double().mean()
        expect(
            at_an_edge > (2 / (room + 1)).clamp(max=1).mean() - 0.06,
            "The first and the last place are only half as likely as the others: that is what "
            "rounding u * (height - h) does. Take floor(u * (height - h + 1)).",
        )
    whole = boxes(2000, 8, 8, (0.7, 1.0))
    expect(
        (whole[:, 2] == 8).any() and (whole[:, 3] == 8).any(),
        "No box is as high or as wide as the image. Such a box fits: h <= height and w <= width.",
    )
    # Large boxes often do not fit.
    got = boxes(n, 1000, 1000, (0.4, 1.0))
    inside(got, 1000, 1000)
    mean = (got[:, 2] * got[:, 3]).double().mean().item() / 1e6
    want = _mean_share_that_fits(0.4, 1.0)
    expect(
        mean < want + 0.012,
        "Boxes that do not fit were cut to the image's size, which changes their aspect ratio, or "
        f"only one of s and r was drawn again. Both are: the mean share is {want:.2f}, yours is "
        f"{mean:.2f}.",
    )
    expect(
        mean > want - 0.012,
        f"Boxes that do not fit are drawn again, s and r anew; then the mean share is {want:.2f}. "
        f"Yours is {mean:.2f}.",
    )


# ---------------------------------------------------------------- 3.4 colours


def _gray(x: Tensor, weights=(0.299, 0.587, 0.114)) -> Tensor:
    """(3, H, W) -> (H, W)."""
    return weights[0] * x[0] + weights[1] * x[1] + weights[2] * x[2]


def _recolor(
    x: Tensor, factors: Tensor, solarized, *, order="bcs", contrast="mean gray",
    weights=(0.299, 0.587, 0.114), clamp="each", flip_factor=False,
    threshold=lambda x: x >= 128 / 255,
) -> Tensor:  # fmt: skip
    """Image by image in float64, with a slip in one place."""
    out = []
    batch_mean = torch.stack([_gray(v.double()) for v in x]).mean()
    for image, f3, invert in zip(x.double(), factors.double(), solarized.tolist(), strict=True):
        f3 = dict(zip("bcs", 1 - f3 if flip_factor else f3, strict=True))
        for operation in order:
            gray, f = _gray(image, weights), f3[operation]
            reference = {
                "b": torch.zeros(()),
                "c": {
                    "mean gray": gray.mean(),
                    "own gray": gray,
                    "mean": image.mean(),
                    "mean colour": image.mean(dim=(1, 2), keepdim=True),
                    "batch": batch_mean,
                    "half": torch.tensor(0.5),
                }[contrast],
                "s": gray,
            }[operation]
            image = f * image + (1 - f) * reference
            image = image.clamp(0, 1) if clamp == "each" else image
        image = image.clamp(0, 1) if clamp == "end" else image
        out.append(torch.where(threshold(image), 1 - image, image) if invert else image)
    return torch.stack(out)


@check("3.4", "brightness, contrast, saturation, solarize")
def check_3_4(recolor):
    # By hand: a red and a black pixel, one operation at a time.
    red = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]).view(1, 3, 1, 2)
    never = torch.tensor([False])
    exchanged = (
        "Picture and reference are exchanged: the factor goes with the picture, 1 - f with the "
        "reference, so that 1 changes nothing."
    )
    one_number = (
        "The saturation's reference is one number per image; that is contrast. Saturation pulls "
        "towards each pixel's own gray."
    )
    got = call(recolor, red, torch.tensor([[0.5, 1.0, 1.0]]), never)
    expect_tensor(got, (1, 3, 1, 2), "(n, 3, H, W)")
    expect_close(
        got,
        red / 2,
        {
            "You added the brightness. It multiplies: black stays black.": (red - 0.5).clamp(0, 1),
            exchanged: _recolor(red, torch.tensor([[0.5, 1.0, 1.0]]), never, flip_factor=True),
            "Brightness is mixed with white. Its reference is black, 0.": (red + 1) / 2,
            "The brightness factor changed the saturation. The columns of factors are brightness, "
            "contrast, saturation.": _recolor(red, torch.tensor([[1.0, 1.0, 0.5]]), never),
            "The brightness factor changed the contrast. The columns of factors are brightness, "
            "contrast, saturation.": _recolor(red, torch.tensor([[1.0, 0.5, 1.0]]), never),
        },
        what="A red and a black pixel at brightness 0.5",
    )
    got = call(recolor, red, torch.tensor([[1.0, 1.0, 0.0]]), never)
    gray = torch.tensor([1.0, 0.0]).expand(1, 3, 1, 2)
    expect_close(
        got,
        0.299 * gray,
        {
            "You took the plain mean of red, green and blue. Gray is the luma, 0.299 R + 0.587 G + "
            "0.114 B: the eye sees green as brighter than blue.": gray / 3,
            "The luma's weights are in the order blue, green, red. Channel 0 is red, with "
            "0.299.": 0.114 * gray,
            one_number: torch.full((1, 3, 1, 2), 0.299 / 2),
        },
        what="A red and a black pixel at saturation 0",
    )

    x = torch.rand(3, 3, 6, 7)
    x = x + 0.02 * (x - 0.5).sign() * ((x - 0.5).abs() < 0.02)  # nothing close to the threshold
    x = x * torch.tensor([0.95, 0.8, 0.6]).view(3, 1, 1)  # a tint, so that channels differ
    none, some = torch.tensor([False] * 3), torch.tensor([True, False, True])

    def examine(factors: Tensor, solarized: Tensor, more: dict, what: str) -> None:
        want = _recolor(x, factors, solarized)
        mistakes = more | {
            "One factor served the whole batch. Each image has its own: factors[i].": _recolor(
                x, factors[:1].expand(3, 3), solarized
            ),
            "You averaged the factors of the batch. Each image has its own: factors[i].": _recolor(
                x, factors.mean(0, keepdim=True).expand(3, 3), solarized
            ),
            "You did not clamp: values leave 0..1. Clamp after each of the three.": _recolor(
                x, factors, solarized, clamp="never"
            ),
            "You clamped only at the end. Each of the three ends with a clamp, as PIL's "
            "do.": _recolor(x, factors, solarized, clamp="end"),
            exchanged: _recolor(x, factors, solarized, flip_factor=True),
            "You solarized every image. Each has its own decision: solarized[i].": _recolor(
                x, factors, torch.tensor([True] * 3)
            ),
        }
        got = call(recolor, x, factors, solarized)
        expect_close(got, want, mistakes, names="(n, 3, H, W)", what=what, tolerance=5e-4)

    def factors_of(**given: list[float]) -> Tensor:
        names = ("brightness", "contrast", "saturation")
        return torch.tensor([given.get(name, [1.0, 1.0, 1.0]) for name in names]).T.contiguous()

    f = factors_of(brightness=[0.6, 1.4, 1.1])
    added = {
        "You added the brightness. It multiplies: black stays black.": (
            x + (f[:, :1] - 1).view(3, 1, 1, 1)
        ).clamp(0, 1)
    }
    examine(f, none, added, "Brightness alone")

    f = factors_of(contrast=[0.6, 1.4, 0.8])
    names = {
        "own gray": "The contrast's reference is each pixel's own gray; that is saturation. "
        "Contrast pulls towards one number per image, the mean of its gray.",
        "mean colour": "The contrast's reference is the mean of each channel. It should be a gray: "
        "the mean of the luma, one number per image.",
        "mean": "The contrast's reference is the plain mean of all channels. It should be the mean "
        "of the luma, 0.299 R + 0.587 G + 0.114 B.",
        "batch": "The contrast's reference is the mean of the whole batch. Each image has its own: "
        "mean over dimensions 1, 2 and 3.",
        "half": "The contrast's reference is 0.5. It should be the image's own mean gray.",
    }
    wrong = {message: _recolor(x, f, none, contrast=c) for c, message in names.items()}
    examine(f, none, wrong, "Contrast alone")

    f = factors_of(saturation=[0.0, 1.6, 0.5])
    plain = {
        "You took the plain mean of red, green and blue. Gray is the luma, 0.299 R + 0.587 G + "
        "0.114 B: the eye sees green as brighter than blue.": _recolor(
            x, f, none, weights=(1 / 3, 1 / 3, 1 / 3)
        ),
        one_number: _recolor(x, f[:, [0, 2, 1]], none),
    }  # fmt: skip
    examine(f, none, plain, "Saturation alone")

    f = factors_of()
    dark = "You solarized the dark pixels. What is bright, 128/255 and more, is inverted."
    wrong = {
        dark: _recolor(x, f, some, threshold=lambda v: v < 128 / 255),
        "You solarized just the images that should not be.": _recolor(x, f, ~some),
        "No image is solarized. (A threshold of 128 is for bytes; here pictures are in 0..1, and "
        "it is 128/255.)": x,
        "You inverted whole images. Only values of 128/255 and more are inverted.": _recolor(
            x, f, some, threshold=lambda v: v >= 0
        ),
        "You decided pixel by pixel, from the gray. Each channel's value is compared on its "
        "own.": _recolor(x, f, some, threshold=lambda v: (_gray(v) >= 128 / 255).expand_as(v)),
        "The inverse of x is 1 - x here, not 255 - x: pictures are in 0..1.": torch.where(
            some.view(3, 1, 1, 1) & (x >= 128 / 255), 255 - x, x
        ),
    }
    examine(f, some, wrong, "Solarize alone")
    # The two bytes beside the threshold. (Between them nothing is asked: x > 0.5 is right.)
    beside = torch.tensor([127 / 255, 128 / 255]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    got = call(recolor, beside, torch.ones(1, 3), torch.tensor([True]))
    low, high = beside.double().chunk(2, dim=3)
    limit = "What is inverted is 128/255 and more:"
    expect_close(
        got,
        torch.cat([low, 1 - high], dim=3),
        {
            f"{limit} 128/255 itself is left as it was.": beside.double(),
            f"{limit} 127/255 is too little, and you invert it.": 1 - beside.double(),
        },
        names="(n, 3, H, W)",
        what="At the threshold of solarize, the result",
    )

    f = factors_of(brightness=[1.4, 0.7, 1.3], contrast=[1.4, 1.3, 0.7], saturation=[0.8, 1.6, 1.2])
    wrong = {}
    for order in ("bsc", "cbs", "csb", "sbc", "scb"):
        named = ", ".join({"b": "brightness", "c": "contrast", "s": "saturation"}[o] for o in order)
        wrong[f"The order is another one: yours is {named}; it should be brightness, contrast, "
              "saturation."] = _recolor(x, f, none, order=order)  # fmt: skip
    first = _recolor(x, f, none, order="b")
    start = x.double()
    stale = []  # the references taken from the picture as it came
    for image, step, f3 in zip(start, first, f.double(), strict=True):
        step = (f3[1] * step + (1 - f3[1]) * _gray(image).mean()).clamp(0, 1)
        stale.append((f3[2] * step + (1 - f3[2]) * _gray(image)).clamp(0, 1))
    wrong[
        "The references are those of the original picture. Each of the three starts from what the "
        "one before left: compute the gray anew."
    ] = torch.stack(stale)
    examine(f, none, wrong, "All three in turn")
    wrong = {
        "You solarized first. Solarize comes after the three.": _recolor(
            _recolor(x, torch.ones(3, 3), some).float(), f, none
        )
    }
    examine(f, some, wrong, "All three, then solarize")
    _expect_device_of_inputs(recolor, x, f, some)


# ---------------------------------------------------------------- 3.5 blur


def _blur(x: Tensor, sigma: Tensor, *, kernel="gauss", normalise="rows", axes="hw", pad=None):
    """Image by image in float64, with a slip in one place."""

    def weight(d: Tensor, s: float) -> Tensor:
        return {
            "gauss": (-(d**2) / (2 * s**2)).exp(),
            "no 2": (-(d**2) / s**2).exp(),
            "variance": (-(d**2) / (2 * s)).exp(),
            "laplace": (-d.abs() / s).exp(),
            "not squared": (-d.abs() / (2 * s**2)).exp(),
            "precedence": (-(d**2) / 2 * s**2).exp(),
            "sign": (d**2 / (2 * s**2)).exp(),
        }[kernel]

    def matrix(size: int, s: float) -> Tensor:
        reach = 0 if pad is None else size - 1  # as far as "reflect" can go
        i, j = torch.arange(size), torch.arange(-reach, size + reach)
        w = weight((i[:, None] - j).double(), s)
        whole = weight(torch.arange(-60, 61).double(), s).sum()
        w = {
            "rows": w / w.sum(1, keepdim=True),
            "columns": w / w.sum(0, keepdim=True),
            "never": w,
            "line": w / whole,
            "itself": w / w,
            "all": w / w.sum(),
        }[normalise]
        if pad == "reflect":
            source = j.abs()
            source = torch.where(source >= size, 2 * (size - 1) - source, source)
        else:
            source = j.clamp(0, size - 1)
        return torch.zeros(size, size, dtype=torch.float64).index_add_(1, source, w)

    out = []
    for image, s in zip(x.double(), sigma.tolist(), strict=True):
        rows = matrix(x.shape[2], s) if "h" in axes else torch.eye(x.shape[2]).double()
        columns = matrix(x.shape[3], s) if "w" in axes else torch.eye(x.shape[3]).double()
        out.append(torch.stack([rows @ channel @ columns.T for channel in image]))
    return torch.stack(out)


@check("3.5", "a blur of its own for every image")
def check_3_5(gaussian_blur):
    def examine(x: Tensor, sigma: Tensor, tolerance: float = 0.01) -> None:
        shared = "One sigma served the whole batch. Each image has its own: sigma[i]."
        not_squared = (
            "The exponent has the distance, not its square: a Gaussian is exp(-d^2 / (2 sigma^2))."
        )
        mean = sigma.mean().expand_as(sigma)
        mistakes = {
            "The exponent is multiplied by sigma^2: d**2 / 2 * sigma**2 means (d**2 / 2) * "
            "sigma**2. Put 2 * sigma**2 in parentheses.": _blur(x, sigma, kernel="precedence"),
            "The minus is missing in the exponent: your weights grow with the distance. A Gaussian "
            "is exp(-d^2 / (2 sigma^2)).": _blur(x, sigma, kernel="sign"),
            shared: _blur(x, sigma[:1].expand_as(sigma)),
            "You averaged the sigmas of the batch. Each image has its own: sigma[i].": _blur(
                x, mean
            ),
            "The kernel is not normalised: the weights of a row must sum to 1, or the picture gets "
            "brighter.": _blur(x, sigma, normalise="never"),
            "Your columns sum to 1, not your rows: the rows of each image's matrix are dim 1, the "
            "weights of a row lie along dim 2.": _blur(x, sigma, normalise="columns"),
            "You divided by the sum of the whole matrix. Each row is normalised on its own: "
            "sum(dim=2, keepdim=True).": _blur(x, sigma, normalise="all"),
            "All weights are 1: with one image, that is what dividing by the sum over the images "
            "(dim 0) gives. The weights of a row lie along dim 2.": _blur(
                x, sigma, normalise="itself"
            ),
            "The edges get dark: beyond the picture you count zeros (zero padding). Normalise each "
            "row over the pixels that exist.": _blur(x, sigma, normalise="line"),
            "You mirrored the picture at its edge (reflect padding), as torchvision does. Here "
            "each row is normalised over the pixels that exist.": _blur(x, sigma, pad="reflect"),
            "You repeated the outermost pixels (replicate padding). Here each row is normalised "
            "over the pixels that exist.": _blur(x, sigma, pad="replicate"),
            "The 2 is missing: a Gaussian is exp(-d^2 / (2 sigma^2)).": _blur(
                x, sigma, kernel="no 2"
            ),
            "You divided by sigma instead of its square: a Gaussian is exp(-d^2 / (2 sigma^2)); "
            "sigma is the standard deviation, not the variance.": _blur(
                x, sigma, kernel="variance"
            ),
            not_squared: _blur(x, sigma, kernel="laplace"),
            not_squared + " (The 2 sigma^2 is right.)": _blur(x, sigma, kernel="not squared"),
            "Only the columns are mixed: the picture is smeared sideways. Blur the rows "
            "too.": _blur(x, sigma, axes="w"),
            "Sideways nothing is mixed: one row of pixels comes back as it was. Blur the columns "
            "too.": _blur(x, sigma, axes="h"),
        }
        got = call(gaussian_blur, x, sigma)
        want = _blur(x, sigma)
        expect_close(got, want, mistakes, names="(n, 3, H, W)", tolerance=tolerance)

    # By hand: three pixels, weights 1, 1/2 and 1/16 at distances 0, 1 and 2.
    dot = torch.tensor([0.0, 1.0, 0.0]).expand(1, 3, 1, 3)
    sigma = torch.tensor([(2 * math.log(2)) ** -0.5])
    got = call(gaussian_blur, dot, sigma)
    expect_tensor(got, (1, 3, 1, 3), "(n, 3, H, W)")
    examine(dot, sigma, tolerance=1e-3)
    # From here on a kernel that is cut off at 3 sigma is as good.
    x = torch.rand(3, 3, 9, 12)
    sigma = torch.tensor([0.6, 1.7, 0.9])
    examine(x, sigma)
    examine(torch.full((2, 3, 8, 8), 0.75), torch.tensor([2.0, 0.5]))
    # The smallest sigma of DINO: no neighbour counts, and nothing is nan.
    sharp = torch.tensor([0.1, 0.1, 2.0])
    examine(x, sharp)
    _expect_device_of_inputs(gaussian_blur, x, sigma)


# ---------------------------------------------------------------- 3.6 multi-crop


class _Recorder:
    """Stands in for ``one_view``: paints each view in a gray of its own and notes what was asked.

    The gray tells from the finished views which image, which request and in which order.
    """

    def __init__(self):
        self.asked: list[dict] = []
        self.states: list[bytes] = []  # of the generator, a call each

    def __call__(self, images, size, scale, blur_p, solarize_p, generator=None):
        _expect_bytes(images)
        if generator is not None:
            self.states.append(bytes(generator.get_state().tolist()))
            torch.rand(1, generator=generator)  # as drawing would
        grays = []
        for image in images[:, 0, 0, 0].tolist():
            request = dict(image=image, size=size, scale=tuple(scale), blur_p=float(blur_p),
                           solarize_p=float(solarize_p), generator=generator)  # fmt: skip
            self.asked.append(request)
            grays.append(len(self.asked) / 64)
        return torch.tensor(grays).view(-1, 1, 1, 1).repeat(1, 3, size, size)

    def of(self, views: Tensor) -> list[dict] | None:
        """The request behind each row of views in 0..1, or None where they are not in 0..1."""
        number = views.detach().double().mean(dim=(1, 2, 3)) * 64
        constant = (views.detach().double() * 64 - number.view(-1, 1, 1, 1)).abs().max() < 0.01
        known = (number - number.round()).abs().max() < 0.01
        number = number.round().int() - 1
        if constant and known and (number >= 0).all() and (number < len(self.asked)).all():
            return [self.asked[i] for i in number.tolist()]
        return None


def _expect_bytes(images) -> None:
    """What ``one_view`` is given is a batch of pictures as they come: uint8."""
    expect(
        isinstance(images, Tensor) and images.ndim == 4,
        "one_view takes a batch of images, (B, 3, H, W), also where B is 1.",
    )
    if images.is_floating_point():
        normalised = images.min() < 0 or images.max() > 255
        expect(
            not normalised,
            "You normalised before the colour operations. They need pictures in 0..1 and clamp to "
            "that: normalise last, what one_view returns.",
        )
        raise Wrong("one_view takes the uint8 images as they are; it divides by 255 itself.")


@check("3.6", "multi-crop")
def check_3_6(multi_crop):
    b, n_local, sizes = 3, 4, (6, 4)
    tones = [10, 100, 200]
    images = torch.tensor(tones, dtype=torch.uint8).view(b, 1, 1, 1).repeat(1, 3, 8, 8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    view, generator = _Recorder(), torch.Generator().manual_seed(0)
    got = call(multi_crop, images, view, *sizes, n_local, generator)
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "Return two tensors: the global views and the local views.",
    )
    names = ("global", "local")
    counts = (2, n_local)
    expect(
        not (isinstance(got[1], Tensor) and got[1].shape[2:] == got[0].shape[2:] == (6, 6)),
        "The local views have the size of the global ones. They stay small (local_size): that is "
        "what makes them cheap, and the student has to work from less.",
    )
    for views, name, count, size in zip(got, names, counts, sizes, strict=True):
        expect_tensor(
            views,
            (count * b, 3, size, size),
            f"({count} * B, 3, S, S)",
            what=f"The result ({name} views)",
        )

    asked = []
    for views, name in zip(got, names, strict=True):
        rows = view.of(views * std + mean)
        if rows is None:
            expect(
                view.of(views) is None,
                f"The {name} views are not normalised: take away IMAGENET_MEAN and divide by "
                "IMAGENET_STD.",
            )
            expect(
                view.of(views * std) is None,
                f"You only divided the {name} views by the standard deviation; the mean has to be "
                "taken away first.",
            )
            expect(
                view.of(views + mean) is None,
                f"You only took the mean from the {name} views; divide by the standard deviation "
                "too.",
            )
            expect(
                view.of((views * std + mean) / 255) is None,
                f"The {name} views were scaled to 0..255 before they were normalised. Mean and "
                "standard deviation are meant for 0..1, which is what one_view returns.",
            )
            expect(
                view.of((views * std + mean) * 255) is None,
                f"You divided the {name} views by 255 once more; one_view returns 0..1.",
            )
            expect(
                view.of(views * std**2 + mean) is None,
                "You divided by the square of IMAGENET_STD. It is the standard deviation already.",
            )
            expect(
                view.of(views / std + mean) is None,
                "You multiplied by IMAGENET_STD. Divide: (x - mean) / std.",
            )
            flipped = view.of(views * mean + std)
            expect(flipped is None, "IMAGENET_MEAN and IMAGENET_STD are exchanged.")
            raise Wrong(
                f"The {name} views are not what one_view returned, normalised by IMAGENET_MEAN and "
                "IMAGENET_STD, channel by channel: (x - mean) / std."
            )
        asked.append(rows)

    for rows, name, count in zip(asked, names, counts, strict=True):
        order = [row["image"] for row in rows]
        expect(
            order != [tone for tone in tones for _ in range(count)],
            f"The {name} views are image-major: all views of image 0, then of image 1. The loss "
            "expects crop-major: all images of view 0, then of view 1. torch.cat of the views does "
            "that.",
        )
        expect(
            len(set(order)) == b,
            f"Not every image is among the {name} views. Each view shows all images of the batch.",
        )
        expect(order == tones * count, f"The {name} views are not in crop-major order.")
        expect(
            len({id(row) for row in rows}) == len(rows),
            f"The same draw serves several {name} views: they are copies. Call one_view anew for "
            "each view.",
        )
        for row in rows:
            expect(
                row["generator"] is not None,
                "The generator does not reach one_view, so no run can be repeated. Pass it on.",
            )
    everything = [row for rows in asked for row in rows]
    expect(
        len({id(row) for row in everything}) == len(everything),
        "A view stands among the globals and among the locals.",
    )
    expect(
        len(set(view.states)) == len(view.states),
        "The generator starts anew from view to view, so views have the same draws. Seed nothing "
        "here; pass the one generator on.",
    )
    for row in everything:
        expect(
            row["generator"] is generator,
            "one_view got another generator than the one you were given. Pass that on.",
        )

    def same(a: tuple, b: tuple) -> bool:
        return all(math.isclose(x, y, abs_tol=1e-6) for x, y in zip(a, b, strict=True))

    globals_, locals_ = asked
    expect(
        not all(same(row["scale"], (0.4, 1.0)) for row in locals_),
        "The local views have the scale of the global ones. A local view covers 5% to 40% of the "
        "area: (0.05, 0.4).",
    )
    for rows, name, scale, size in (
        (globals_, "global", (0.4, 1.0), sizes[0]),
        (locals_, "local", (0.05, 0.4), sizes[1]),
    ):
        expect(
            all(row["size"] == size for row in rows),
            f"A {name} view was asked for at size {rows[0]['size']}; expected {size}.",
        )
        expect(
            all(same(row["scale"], scale) for row in rows),
            f"A {name} view was asked for with scale {rows[0]['scale']}; expected {scale}.",
        )
    solarize = [row["solarize_p"] for row in globals_[::b]]
    blur = [row["blur_p"] for row in globals_[::b]]
    expect(
        not same(solarize, (0.2, 0.0)),
        "The first global view is solarized. It is the second: the two are meant to differ.",
    )
    expect(not same(blur, (0.1, 1.0)), "Blur: the first global always (1.0), the second rarely.")
    for rows, name, blur_p, solarize_p in (
        (globals_[:b], "The first global", 1.0, 0.0),
        (globals_[b:], "The second global", 0.1, 0.2),
        (locals_, "A local", 0.5, 0.0),
    ):
        for row in rows:
            expect(
                same((row["blur_p"],), (blur_p,)),
                f"{name} view is blurred with probability {row['blur_p']}; expected {blur_p}.",
            )
            expect(
                same((row["solarize_p"],), (solarize_p,)),
                f"{name} view is solarized with probability {row['solarize_p']}; expected "
                f"{solarize_p}.",
            )
    again = _Recorder()
    call(multi_crop, images, again, *sizes, n_local, generator)
    expect(
        again.states[0] != view.states[0],
        "A second batch gets the draws of the first: you seed the generator inside. Only draw from "
        "it.",
    )
    # Other numbers of everything.
    one = call(multi_crop, images[:1], _Recorder(), 5, 3, 1, generator)
    expect_tensor(one[0], (2, 3, 5, 5), "(2 * B, 3, S, S)", what="With one image, the global views")
    expect_tensor(one[1], (1, 3, 3, 3), "(n_local * B, 3, S, S)", what="With n_local=1, the locals")
