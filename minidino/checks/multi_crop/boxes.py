"""Exercise 3.3, random boxes: tells apart, by thousands of draws, boxes outside the image and
shares, aspect ratios and places that are drawn from another distribution or together.
"""

import math

import torch
from torch import Tensor

from minidino.checks.core import call, check, expect, expect_tensor


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
