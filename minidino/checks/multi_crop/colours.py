"""Exercise 3.4, brightness, contrast, saturation, solarize: tells apart wrong references, grays,
clamps and thresholds, another order, and one factor for the whole batch.
"""

import torch
from torch import Tensor

from minidino.checks.core import call, check, expect_close, expect_tensor
from minidino.checks.multi_crop.common import expect_device_of_inputs


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
    expect_device_of_inputs(recolor, x, f, some)
