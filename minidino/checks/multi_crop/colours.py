"""Exercise 3.4, brightness, contrast, saturation, solarize: wrong references, grays, clamps and
thresholds, another order, and one factor for the whole batch.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import Mistakes, compare
from minidino.checks.core import check, close, expect_any_device

NAMES = {"b": "brightness", "c": "contrast", "s": "saturation"}
TOLERANCE = 2.5e-4  # torchvision's first weight is 0.2989
LUMA = (0.299, 0.587, 0.114)


def _gray(x: Tensor, weights=LUMA) -> Tensor:
    """(n, 3, H, W) -> (n, 1, H, W)."""
    return (x * torch.tensor(weights, dtype=x.dtype).view(3, 1, 1)).sum(1, keepdim=True)


def _mean(x: Tensor) -> Tensor:
    return x.mean((1, 2, 3), keepdim=True)


REFERENCES = {"b": torch.zeros_like, "c": lambda x: _mean(_gray(x)), "s": _gray}


def _mix(x: Tensor, reference: Tensor, f: Tensor) -> Tensor:
    return f * x + (1 - f) * reference


def _step(
    operation: str, reference=None, mix=_mix, clamp=lambda x: x.clamp(0, 1), factor=lambda f: f
) -> Callable:
    """One of the three, x and factors (n, 1, 1, 1) to x, with one piece changed."""
    reference = reference or REFERENCES[operation]
    return lambda x, f: clamp(mix(x, reference(x), factor(f)))


def _invert(x: Tensor) -> Tensor:
    return torch.where(x.float() >= 128 / 255, 1 - x, x)


def _recolor(
    order: str = "bcs",
    columns: str = "bcs",
    factors=lambda f: f,
    invert: Callable | None = None,
    chosen=lambda solarized: solarized,
    first: bool = False,
    **steps: Callable,
) -> Callable:
    """The exercise's function, with other steps (b, c, s) or another of its pieces."""
    steps = {o: _step(o) for o in "bcs"} | steps

    def solarize(x: Tensor, solarized: Tensor) -> Tensor:
        return torch.where(chosen(solarized).view(-1, 1, 1, 1), (invert or _invert)(x), x)

    def recolor(x: Tensor, f: Tensor, solarized: Tensor) -> Tensor:
        f = dict(zip(columns, factors(f.double()).T, strict=True))
        x = solarize(x.double(), solarized) if first else x.double()
        for operation in order:
            x = steps[operation](x, f[operation].view(-1, 1, 1, 1))
        return x if first else solarize(x, solarized)

    return recolor


OWN = "Each image has its own: factors[i]."
CLAMP = "Each of the three ends with a clamp to 0..1, as PIL's do."
PLAIN = "Gray is the luma, 0.299 R + 0.587 G + 0.114 B: the eye sees green as brighter than blue."
SHAPE = (
    "The factors meet another dimension than the images: factors[:, 0] is (n,). "
    "factors[:, 0].view(-1, 1, 1, 1) goes with (n, 3, H, W)."
)
DARK = "Solarize inverts what is bright, 128/255 and more."
SOLARIZED = "Each has its own decision: solarized[i]."

GRAYS = {
    f"the plain mean of red, green and blue. {PLAIN}": (1 / 3, 1 / 3, 1 / 3),
    f"the luma with its weights in the order blue, green, red. {PLAIN}": LUMA[::-1],
    f"the luma of HDTV (Rec. 709: 0.2126, 0.7152, 0.0722). {PLAIN}": (0.2126, 0.7152, 0.0722),
    f"the luma of 2020 (0.2627, 0.678, 0.0593). {PLAIN}": (0.2627, 0.678, 0.0593),
    f"the luma rounded to two digits. {PLAIN}": (0.3, 0.59, 0.11),
    f"the green channel. {PLAIN}": (0.0, 1.0, 0.0),
    f"the red channel. {PLAIN}": (1.0, 0.0, 0.0),
    f"the blue channel. {PLAIN}": (0.0, 0.0, 1.0),
    f"the sum of red, green and blue. {PLAIN}": (1.0, 1.0, 1.0),
    f"the luma with red and green exchanged. {PLAIN}": (0.587, 0.299, 0.114),
    f"the luma with green and blue exchanged. {PLAIN}": (0.299, 0.114, 0.587),
}
OTHER_GRAYS = {
    "the largest of red, green and blue, the value of HSV. " + PLAIN: (
        lambda x: x.amax(1, keepdim=True)
    ),
    "the mean of the largest and smallest of red, green and blue, the lightness of HSL. " + PLAIN: (
        lambda x: (x.amax(1, keepdim=True) + x.amin(1, keepdim=True)) / 2
    ),
    "the smallest of red, green and blue. " + PLAIN: lambda x: x.amin(1, keepdim=True),
    "the root of a mean of squares. " + PLAIN: lambda x: x.square().mean(1, keepdim=True).sqrt(),
    "the luma of squared values. " + PLAIN: lambda x: _gray(x**2).sqrt(),
}


# What may be done to a factor where 1 should change nothing, and does in all of these.
FACTORS = {
    f"One{{}} factor served the whole batch, the first. {OWN}": lambda f: f[:1].expand_as(f),
    f"One{{}} factor served the whole batch, the last. {OWN}": lambda f: f[-1:].expand_as(f),
    f"You averaged the{{}} factors of the batch. {OWN}": lambda f: f.mean().expand_as(f),
    f"The{{}} factors are in another order than the images. {OWN}": lambda f: f.flip(0),
    "The{} factor is turned round, 1 / f.": lambda f: 1 / f,
    "You took the root of the{} factor.": lambda f: f.sqrt(),
    "You halved the{} factor's distance from 1.": lambda f: (1 + f) / 2,
    "You doubled the{} factor's distance from 1.": lambda f: 2 * f - 1,
    "The{} factor is squared, or the operation done twice.": lambda f: f**2,
    "The{} factor is held in 0..1, so nothing is made stronger.": lambda f: f.clamp(0, 1),
}
MIXES = {
    "picture and reference are exchanged. The factor goes with the picture, 1 - f with the "
    "reference, so that 1 changes nothing.": lambda x, r, f: (1 - f) * x + f * r,
    "1 is added to the factor, x + f * (x - reference). It comes as it is: 1 changes nothing.": (
        lambda x, r, f: x + f * (x - r)
    ),
    "the factor is not used, so nothing changes.": lambda x, r, f: x,
}
MIXES_WITH_A_REFERENCE = {
    "the part of the reference, (1 - f) * reference, is taken away and not added.": (
        lambda x, r, f: f * x - (1 - f) * r
    ),
    "only the picture is weighted, f * x, and the whole reference is added (or f times it).": (
        lambda x, r, f: f * x + r
    ),
    "only the reference is weighted, x + (1 - f) * reference.": lambda x, r, f: x + (1 - f) * r,
    "both are weighted by f: f * (x + reference).": lambda x, r, f: f * x + f * r,
    "the difference is weighted, f * (x - reference), and the reference is not added again.": (
        lambda x, r, f: f * (x - r)
    ),
}
CLAMPS = {
    f"You did not clamp: values leave 0..1. {CLAMP}": lambda x: x,
    f"What leaves 0..1 comes back at the other end (a modulo, or bytes that run over). {CLAMP}": (
        lambda x: x % 1
    ),
    f"You stretched the picture to 0..1 by its smallest and largest value. {CLAMP}": lambda x: (
        (x - x.amin((1, 2, 3), keepdim=True))
        / (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    ),
    f"You took a sigmoid. {CLAMP}": lambda x: x.sigmoid(),
    "You rounded the picture to bytes. Leave the floats as they are.": lambda x: (
        (x.clamp(0, 1) * 255).round() / 255
    ),
    "You cut the picture to whole bytes. Leave the floats as they are.": lambda x: (
        (x.clamp(0, 1) * 255).floor() / 255
    ),
}


def _all(**pieces) -> Callable:
    """The same slip in all three, as in a function that they share."""
    return _recolor(**{o: _step(o, **pieces) for o in "bcs"})


def _of_any(operation: str) -> Mistakes:
    """What may go wrong with each of the three."""
    name = NAMES[operation]
    said = "" if operation == "b" else f" {name}"

    def step(**pieces):
        return _recolor(**{operation: _step(operation, **pieces)})

    def along(shape: tuple[int, ...], right: bool):
        def wrong(x, reference, f):
            f = f.reshape(shape)
            if right:
                return x * f + reference * (1 - f)
            return f * x + (1 - f) * reference

        return step(mix=wrong)

    mistakes = {m.format(said): step(factor=factor) for m, factor in FACTORS.items()} | {
        f"{name.capitalize()}: {m}": step(mix=mix)
        for m, mix in (MIXES if operation == "b" else MIXES | MIXES_WITH_A_REFERENCE).items()
    }
    for words, shape in (
        ("the width", (-1,)),
        ("the height", (-1, 1)),
        ("the channels", (-1, 1, 1)),
    ):
        mistakes[f"{SHAPE} (The {name} lies along {words}.)"] = along(shape, False)
        mistakes[f"{SHAPE} (The {name} lies along {words}, x * f.)"] = along(shape, True)
    return mistakes


def _with_grays(operation: str, said: str, build: Callable) -> Mistakes:
    grays = {m: lambda x, w=w: _gray(x, w) for m, w in GRAYS.items()} | OTHER_GRAYS
    return {
        f"{said} {words}": _recolor(**{operation: _step(operation, build(gray))})
        for words, gray in grays.items()
    }


BRIGHTNESS = _of_any("b") | {
    "You added the brightness, x + f - 1. It multiplies: black stays black.": _recolor(
        b=_step("b", mix=lambda x, r, f: x + f - 1)
    ),
    "You added the brightness, x + f. It multiplies: black stays black.": _recolor(
        b=_step("b", mix=lambda x, r, f: x + f)
    ),
    "You took x to the power of the brightness. It multiplies.": _recolor(
        b=_step("b", mix=lambda x, r, f: x**f)
    ),
    "Brightness is mixed with white. Its reference is black, 0.": _recolor(
        b=_step("b", torch.ones_like)
    ),
    "Brightness is mixed with 0.5. Its reference is black, 0.": _recolor(
        b=_step("b", lambda x: torch.full_like(x, 0.5))
    ),
    "Brightness is mixed with the image's mean. Its reference is black, 0.": _recolor(
        b=_step("b", _mean)
    ),
    **{
        f"The brightness factor changed the {NAMES[other]}: columns 0 and {at} of the factors are "
        "exchanged. They are brightness, contrast, saturation.": _recolor(columns=columns)
        for other, at, columns in (("c", 1, "cbs"), ("s", 2, "scb"))
    },
    **{
        f"In all three: {m}": _all(mix=mix)
        for m, mix in (MIXES | MIXES_WITH_A_REFERENCE).items()
        if m.startswith(("picture and", "1 is", "only the picture", "the difference"))
    },
    **{  # of which a factor of 1 does not keep the picture
        f"{NAMES[o].capitalize()}: {m}": _recolor(**{o: _step(o, mix=mix)})
        for o in "cs"
        for m, mix in (MIXES | MIXES_WITH_A_REFERENCE).items()
        if m.startswith(("picture and", "1 is", "only the picture", "the difference"))
    },
    **{m: _all(clamp=clamp) for m, clamp in CLAMPS.items()},
}
CONTRAST = (
    _of_any("c")
    | _with_grays("c", "The contrast's gray is", lambda g: lambda x: _mean(g(x)))
    | {
        f"The contrast's reference is {words}": _recolor(c=_step("c", reference))
        for words, reference in {
            "each pixel's own gray; that is saturation (or columns 1 and 2 of the factors are "
            "exchanged). Contrast pulls towards one number per image, the mean of its gray.": _gray,
            "the mean of each channel. It should be a gray: the mean of the luma, one number per "
            "image.": lambda x: x.mean((2, 3), keepdim=True),
            "the mean of the whole batch. Each image has its own: mean over dimensions 1, 2 and "
            "3.": lambda x: _gray(x).mean(),
            "the mean of each row's gray. It is one number per image: mean over dimensions 1, 2 "
            "and 3.": lambda x: _gray(x).mean(3, keepdim=True),
            "the mean of each column's gray. It is one number per image: mean over dimensions 1, "
            "2 and 3.": lambda x: _gray(x).mean(2, keepdim=True),
            "the mean over the images, pixel by pixel. Each image has its own: mean over "
            "dimensions 1, 2 and 3.": lambda x: _gray(x).mean(0, keepdim=True),
            "0.5. It should be the image's own mean gray.": lambda x: torch.full_like(x, 0.5),
            "black; that is brightness. It should be the image's own mean gray.": torch.zeros_like,
            "white. It should be the image's own mean gray.": torch.ones_like,
            "the median of the gray. It should be its mean.": lambda x: (
                _gray(x).flatten(1).median(1).values.view(-1, 1, 1, 1)
            ),
            "the middle between the darkest and the brightest gray. It should be their mean.": (
                lambda x: (
                    (
                        _gray(x).amax((1, 2, 3), keepdim=True)
                        + _gray(x).amin((1, 2, 3), keepdim=True)
                    )
                    / 2
                )
            ),
            "the largest gray. It should be the mean.": lambda x: _gray(x).amax(
                (1, 2, 3), keepdim=True
            ),
            "the mean gray rounded to a byte, as PIL's is. Leave the float as it is.": lambda x: (
                (_mean(_gray(x)) * 255).round() / 255
            ),
        }.items()
    }
)
SATURATION = (
    _of_any("s")
    | _with_grays("s", "The saturation's gray is", lambda gray: gray)
    | {
        f"The saturation's reference is {words}": _recolor(s=_step("s", reference))
        for words, reference in {
            "one number per image; that is contrast. Saturation pulls towards each pixel's own "
            "gray.": lambda x: _mean(_gray(x)),
            "one number per image, the plain mean. Saturation pulls towards each pixel's own "
            "gray.": _mean,
            "the mean of each channel. Saturation pulls towards each pixel's own gray.": (
                lambda x: x.mean((2, 3), keepdim=True)
            ),
            "the mean gray of the batch, pixel by pixel. Each pixel has its own.": (
                lambda x: _gray(x).mean(0, keepdim=True)
            ),
            "black; that is brightness. Saturation pulls towards each pixel's own gray.": (
                torch.zeros_like
            ),
            "0.5. Saturation pulls towards each pixel's own gray.": (
                lambda x: torch.full_like(x, 0.5)
            ),
        }.items()
    }
)


def _above(threshold: float, strict: bool = False) -> Callable:
    """Compared in float32, in which 128/255 is what it is to the learner."""
    threshold = torch.tensor(threshold)
    return lambda x: torch.where(
        x.float() > threshold if strict else x.float() >= threshold, 1 - x, x
    )


SOLARIZE = {
    f"You solarized the dark pixels. {DARK}": _recolor(
        invert=lambda x: torch.where(x < 128 / 255, 1 - x, x)
    ),
    "You solarized just the images that should not be.": _recolor(chosen=lambda s: ~s),
    f"You solarized every image. {SOLARIZED}": _recolor(chosen=torch.ones_like),
    f"You solarized all as the first image says. {SOLARIZED}": _recolor(
        chosen=lambda s: s[:1].expand_as(s)
    ),
    f"You solarized all if one of them is to be (any). {SOLARIZED}": _recolor(
        chosen=lambda s: s.any().expand_as(s)
    ),
    f"The decisions are in another order than the images. {SOLARIZED}": _recolor(
        chosen=lambda s: s.flip(0)
    ),
    "No image is solarized. (A threshold of 128 is for bytes; here pictures are in 0..1, and it is "
    "128/255.)": _recolor(invert=lambda x: x),
    f"You inverted whole images. {DARK}": _recolor(invert=lambda x: 1 - x),
    "You decided pixel by pixel, from the gray. Each channel's value is compared on its own.": (
        _recolor(invert=lambda x: torch.where(_gray(x) >= 128 / 255, 1 - x, x))
    ),
    "You decided pixel by pixel, from the plain mean of the channels. Each channel's value is "
    "compared on its own.": _recolor(
        invert=lambda x: torch.where(x.mean(1, keepdim=True) >= 128 / 255, 1 - x, x)
    ),
    "The inverse of x is 1 - x here, not 255 - x: pictures are in 0..1.": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, 255 - x, x)
    ),
    "The inverse of x is 1 - x, not 255 - x clamped: what is bright is made white.": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, 1.0, x)
    ),
    "The inverse of x is 1 - x; yours is x - 1.": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, x - 1, x)
    ),
    "The inverse of x is 1 - x; yours is -x.": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, -x, x)
    ),
    "What is bright is made 0. It is inverted: 1 - x.": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, 0.0, x)
    ),
    "What is dark is made 0. It stays as it is: torch.where(bright, 1 - x, x).": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, 1 - x, 0.0)
    ),
    "What is bright is mirrored at the threshold. It is inverted: 1 - x.": _recolor(
        invert=lambda x: torch.where(x >= 128 / 255, 256 / 255 - x, x)
    ),
    f"{DARK} Your threshold is 0.5, and what lies between is inverted as well.": _recolor(
        invert=_above(0.5)
    ),
    f"{DARK} Your threshold is 127/255: that is too little, and you invert it.": _recolor(
        invert=_above(127 / 255)
    ),
    f"{DARK} Your threshold is higher than that.": _recolor(invert=_above(0.512)),
}


def _near_the_threshold(got: Tensor, want: Tensor) -> bool:
    """Only values around 128/255 are inverted wrongly."""
    wrong = (got - want).abs() > 1e-4
    close_by = ((want[wrong] - 0.5).abs() < 0.05).all()
    return bool(wrong.any() and close_by and ((1 - got - want)[wrong].abs() < 1e-4).all())


def _between(operation: str) -> Callable:
    """Solarize after this operation and not at the end."""

    def recolor(x: Tensor, f: Tensor, solarized: Tensor) -> Tensor:
        x = x.double()
        for k, o in enumerate("bcs"):
            x = _step(o)(x, f.double()[:, k].view(-1, 1, 1, 1))
            if o == operation:
                x = torch.where(solarized.view(-1, 1, 1, 1), _invert(x), x)
        return x

    return recolor


def _each(fits: Callable[[Tensor, Tensor], bool]) -> Callable[[Tensor, Tensor], bool]:
    """Whether something holds of every image, of its values that are not at 0 or 1."""

    def holds(got: Tensor, want: Tensor) -> bool:
        for g, w in zip(got.double(), want, strict=True):
            free = ((g > 0.01) & (g < 0.99) & (w > 0.01) & (w < 0.99)).flatten()
            if free.sum() < 6 or not fits(g.flatten()[free], w.flatten()[free]):
                return False
        return True

    return holds


def _scaled(g: Tensor, w: Tensor) -> bool:
    return bool((g / w).std() < 1e-3)


def _on_a_line(g: Tensor, w: Tensor) -> bool:
    return torch.corrcoef(torch.stack([g, w]))[0, 1].item() > 1 - 1e-6


def _same_gray(got: Tensor, want: Tensor) -> bool:
    free = ((got > 0.01) & (got < 0.99) & (want > 0.01) & (want < 0.99)).all(1, keepdim=True)
    return int(free.sum()) > 9 and close(_gray(got.double())[free], _gray(want)[free], 1e-3)


STAGES = {
    "b": {
        "Each image is multiplied, and by another number than its brightness factor, factors[:, "
        "0].": _each(_scaled),
        "Brightness stretches and shifts each image. It only multiplies: the reference is black, "
        "0.": _each(_on_a_line),
    },
    "c": {
        "Each image is stretched and shifted, as contrast does, and by other numbers. The factor "
        "is factors[:, 1], and the reference the image's mean gray.": _each(_on_a_line),
    },
    "s": {
        "Each pixel's gray is right, as after a saturation, and its colours are not: the factor is "
        "another. It is factors[:, 2].": _same_gray,
    },
}

ALL = {
    f"The order is another one: yours is {', '.join(NAMES[o] for o in order)}; it should be "
    "brightness, contrast, saturation.": _recolor("".join(order))
    for order in itertools.permutations("bcs")
    if order != ("b", "c", "s")
} | {
    f"You clamped only at the end. {CLAMP}": _recolor(
        b=_step("b", clamp=lambda x: x), c=_step("c", clamp=lambda x: x)
    ),
    f"You clamped only at the beginning, after brightness. {CLAMP}": _recolor(
        c=_step("c", clamp=lambda x: x), s=_step("s", clamp=lambda x: x)
    ),
    f"You clamped after contrast alone. {CLAMP}": _recolor(
        b=_step("b", clamp=lambda x: x), s=_step("s", clamp=lambda x: x)
    ),
    **{
        f"You did not clamp after {NAMES[o]}. {CLAMP}": _recolor(**{o: _step(o, clamp=lambda x: x)})
        for o in "bcs"
    },
    "You solarized first. Solarize comes after the three.": _recolor(first=True),
    **{
        f"You solarized after {NAMES[o]}. Solarize comes after all of the three.": _between(o)
        for o in "bc"
    },
}


def _stale(x: Tensor, f: Tensor, solarized: Tensor, *, after: str = "") -> Tensor:
    """The references are those of the picture as it came, or as one operation left it."""
    b, c, s = f.double().T.reshape(3, -1, 1, 1, 1)
    x = x.double()
    y = (b * x).clamp(0, 1)
    gray = _gray(y if after == "b" else x)
    y = _mix(y, _mean(gray), c).clamp(0, 1)
    y = _mix(y, gray, s).clamp(0, 1)
    return torch.where(solarized.view(-1, 1, 1, 1), _invert(y), y)


def _apart(x: Tensor, f: Tensor, solarized: Tensor) -> Tensor:
    """Each of the three starts from the original picture; the last one stays."""
    y = _step("s")(x.double(), f.double()[:, 2].view(-1, 1, 1, 1))
    return torch.where(solarized.view(-1, 1, 1, 1), _invert(y), y)


ALL["The references are those of the original picture. Each of the three starts from what the one "
    "before left: compute the gray anew."] = _stale  # fmt: skip
ALL["The saturation's gray is that of before the contrast. Compute it anew."] = lambda *case: (
    _stale(*case, after="b")
)
ALL["Each of the three starts from the original picture, and the last is what remains. x goes from "
    "one to the next."] = _apart  # fmt: skip


@check("3.4", "brightness, contrast, saturation, solarize")
def check_3_4(recolor):
    sizes = {4: (6, 7), 5: (9, 8)}  # images: height and width, all of them different

    def case(n: int, active: str, solarized: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.rand(n, 3, *sizes[n])
        x = x + 0.02 * (x - 0.5).sign() * ((x - 0.5).abs() < 0.02)  # nothing near the threshold
        x = (x * torch.tensor([1.0, 0.85, 0.7]).view(3, 1, 1)).clamp(0, 1)  # a tint
        f = torch.ones(n, 3)
        for k, name in enumerate("bcs"):
            if name in active:
                f[:, k] = torch.rand(n) * 1.4 + 0.2
                f[0, k], f[1, k] = 1.7, 0.45
        return x, f, torch.tensor(solarized)

    beside = torch.tensor([0.2, 126, 127, 127.6, 127.9, 128.01, 128.2, 129, 130, 140, 254]) / 255
    solarize = [
        case(4, "", [False, True, False, True]),
        case(5, "", [True, False, False, True, False]),
        case(5, "", [False] * 5),
        *(
            (beside.view(1, 1, 1, -1).repeat(n, 3, 2, 1), torch.ones(n, 3), torch.arange(n) != 1)
            for n in (2, 4)
        ),
    ]
    near = {f"{DARK} Your threshold is another.": _near_the_threshold}
    failed = None
    try:
        compare(
            recolor,
            solarize,
            _recolor(),
            SOLARIZE,
            "",
            "Solarize alone",
            TOLERANCE,
            properties=near,
        )
    except Exception as error:
        if str(error) in SOLARIZE:
            raise
        failed = error  # the three may be to blame
    for active, mistakes, what in (
        ("b", BRIGHTNESS, "Brightness alone"),
        ("c", CONTRAST, "Contrast alone"),
        ("s", SATURATION, "Saturation alone"),
    ):
        cases = [case(n, active, [False] * n) for n in (4, 5)]
        compare(
            *(recolor, cases, _recolor(), mistakes, "(n, 3, H, W)", what, TOLERANCE),
            properties=STAGES[active],
        )
    if failed:
        raise failed
    cases = [case(n, "bcs", ([False, True] * n)[:n] if s else [False] * n)
             for n in (4, 5) for s in (False, True)]  # fmt: skip
    compare(recolor, cases, _recolor(), ALL, "", "All three in turn", TOLERANCE)
    exact = [
        (torch.full((n, 3, 2, 3), 128 / 255), torch.ones(n, 3), torch.arange(n) != 1)
        for n in (2, 4)
    ]
    strict = {
        f"{DARK} 128/255 itself is left as it was: >= and not >.": _recolor(
            invert=_above(128 / 255, strict=True)
        )
    }
    compare(recolor, exact, _recolor(), strict, "", "An even gray of 128/255", TOLERANCE)
    expect_any_device(recolor, *cases[1])
