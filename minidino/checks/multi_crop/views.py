"""Exercise 3.6, multi-crop: views of the wrong number, size, scale or order, copies of one draw,
exchanged probabilities, and wrong normalisations.
"""

import math
import operator
import re
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, check, close, expect, expect_any_device

MEAN, STD = (torch.tensor(v).view(3, 1, 1).double() for v in (
    (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
))  # fmt: skip
GLOBAL, LOCAL = (0.4, 1.0), (0.05, 0.4)
SIGNATURE = "It is one_view(images, size, scale, blur_p, solarize_p, generator)."


class _Recorder:
    """Stands in for ``one_view``: paints each view in a gray of its own and notes what was asked.

    The gray tells from the finished views which image, which request and in which order. A
    pattern, the same in all, tells channels, rows and columns apart.
    """

    def __init__(self, images: Tensor):
        self.images = images
        self.asked: list[dict] = []
        self.painted: list[Tensor] = []  # a call each
        self.states: list[bytes] = []  # of the generator, a call each

    def __call__(self, images, size, scale, blur_p, solarize_p, generator=None):
        _expect_bytes(images)
        size, scale, (blur_p, solarize_p) = _arguments(size, scale, blur_p, solarize_p)
        if generator is not None:
            self.states.append(bytes(generator.get_state().tolist()))
            torch.rand(1, generator=generator)  # as drawing would
        grays = []
        for image in images:
            known = [i for i, other in enumerate(self.images) if torch.equal(image, other)]
            expect(
                bool(known),
                "one_view was given pictures that are not those of the batch, such as views that "
                "were cut before (a crop of a crop). Every view is cut from the images themselves.",
            )
            self.asked.append(
                dict(
                    image=known[0],
                    size=size,
                    scale=scale,
                    blur_p=blur_p,
                    solarize_p=solarize_p,
                    generator=generator,
                )
            )
            grays.append(len(self.asked) / 50)
        view = torch.tensor(grays).view(-1, 1, 1, 1) + _pattern(size)
        self.painted.append(view)
        return view.clone()

    def of_size(self, size: int) -> tuple[list[dict], list[Tensor]]:
        asked = [row for row in self.asked if row["size"] == size]
        return asked, [view for view in self.painted if view.shape[-1] == size]


def _pattern(size: int) -> Tensor:
    return 0.3 * torch.rand(3, size, size, generator=torch.Generator().manual_seed(size))


def _arguments(size, scale, blur_p, solarize_p) -> tuple[int, tuple, tuple]:
    try:
        pair = tuple(map(float, scale)) if isinstance(scale, list | tuple) else ()
        chances = float(blur_p), float(solarize_p)
        expect(len(pair) == 2, f"The scale of a view is a pair, as (0.4, 1.0). {SIGNATURE}")
        return operator.index(size), pair, chances
    except TypeError:
        raise Wrong(f"one_view got its arguments in another order. {SIGNATURE}") from None


def _expect_bytes(images) -> None:
    """What ``one_view`` is given is a batch of pictures as they come: uint8."""
    expect(
        isinstance(images, Tensor) and images.ndim == 4,
        "one_view takes a batch of images, (B, 3, H, W), also where B is 1.",
    )
    if images.is_floating_point():
        expect(
            images.min() >= 0 and images.max() <= 255,
            "You normalised before the colour operations. They need pictures in 0..1 and clamp to "
            "that: normalise last, what one_view returns.",
        )
        raise Wrong("one_view takes the uint8 images as they are; it divides by 255 itself.")


# ---------------------------------------------------------------- normalising


def _by(mean, std) -> Callable[[Tensor], Tensor]:
    mean, std = (torch.tensor(v).double().view(-1, 1, 1) for v in (mean, std))
    return lambda x: (x - mean) / std


def _own(*dims: int) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - x.mean(dims, keepdim=True)) / x.std(dims, keepdim=True)


def _right(x: Tensor) -> Tensor:
    return (x - MEAN) / STD


FORMULA = "(x - mean) / std, channel by channel, with IMAGENET_MEAN and IMAGENET_STD."
NORMALISED: dict[str, Callable[[Tensor], Tensor]] = {
    f"are not normalised. {FORMULA}": lambda x: x,
    f"are only divided by the standard deviation; first the mean is taken away. {FORMULA}": (
        lambda x: x / STD
    ),
    f"only have the mean taken away; divide by the standard deviation, too. {FORMULA}": (
        lambda x: x - MEAN
    ),
    "were scaled to 0..255 before they were normalised. Mean and standard deviation are meant for "
    "0..1, which is what one_view returns.": lambda x: _right(255 * x),
    "were divided by 255 once more; one_view returns 0..1.": lambda x: _right(x / 255),
    "are divided by the square of IMAGENET_STD. It is the standard deviation already.": (
        lambda x: (x - MEAN) / STD**2
    ),
    "are divided by the root of IMAGENET_STD. It is the standard deviation already.": (
        lambda x: (x - MEAN) / STD.sqrt()
    ),
    f"are multiplied by IMAGENET_STD. Divide: {FORMULA}": lambda x: (x - MEAN) * STD,
    f"have IMAGENET_MEAN and IMAGENET_STD exchanged. {FORMULA}": lambda x: (x - STD) / MEAN,
    f"have the mean added where it is taken away. {FORMULA}": lambda x: (x + MEAN) / STD,
    f"have the mean taken away after the division. Brackets: {FORMULA}": lambda x: x / STD - MEAN,
    f"have only the mean divided, x - mean / std. Brackets: {FORMULA}": lambda x: x - MEAN / STD,
    f"have the sign turned round, mean - x. {FORMULA}": lambda x: (MEAN - x) / STD,
    f"are turned back, x * std + mean, as for showing them. {FORMULA}": lambda x: x * STD + MEAN,
    "are normalised twice. Once is enough.": lambda x: _right(_right(x)),
    f"are normalised by the first channel's numbers. Each channel has its own: {FORMULA}": (
        _by([0.485], [0.229])
    ),
    f"are normalised by the mean of the three channels' numbers. Each has its own: {FORMULA}": (
        _by([0.449], [0.226])
    ),
    f"are normalised by the numbers in the order blue, green, red. {FORMULA}": (
        _by([0.406, 0.456, 0.485], [0.225, 0.224, 0.229])
    ),
    "have red and blue exchanged. Channels stay where they are.": lambda x: _right(x.flip(1)),
    "are normalised by the numbers of CIFAR. IMAGENET_MEAN and IMAGENET_STD are asked for.": (
        _by([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])
    ),
    "are normalised by numbers of CIFAR (0.2023, ...). IMAGENET_MEAN and IMAGENET_STD are asked "
    "for.": _by([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
    "are normalised by the numbers of CIFAR-100. IMAGENET_MEAN and IMAGENET_STD are asked for.": (
        _by([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])
    ),
    "are brought to -1..1. IMAGENET_MEAN and IMAGENET_STD are asked for.": _by([0.5], [0.5]),
    "are normalised by the mean and standard deviation of the views themselves, which differ from "
    f"batch to batch. {FORMULA}": _own(0, 2, 3),
    "are normalised by one mean and standard deviation of all the views, which differ from batch "
    f"to batch. {FORMULA}": _own(0, 1, 2, 3),
    "are normalised each by its own mean and standard deviation, channel by channel, so that "
    f"brightness and contrast are lost. {FORMULA}": _own(2, 3),
    "are normalised each by its own mean and standard deviation, so that brightness and contrast "
    f"are lost. {FORMULA}": _own(1, 2, 3),
    "are clamped to 0..1 after they were normalised. Normalised values go beyond.": (
        lambda x: _right(x).clamp(0, 1)
    ),
    "are clamped to -1..1 after they were normalised. Normalised values go beyond.": (
        lambda x: _right(x).clamp(-1, 1)
    ),
    "are mirrored, left and right. one_view flips them by chance, and that is all.": (
        lambda x: _right(x.flip(3))
    ),
    "lie on their sides: rows and columns are exchanged.": lambda x: _right(x.mT),
}


def _rows_of(views: Tensor, candidates: Tensor) -> list[int] | None:
    """For each view which of the candidates it is, or None where one is none of them."""
    if candidates.shape[1:] != views.shape[1:]:
        return None
    far = (views.double()[:, None] - candidates).abs().amax((2, 3, 4))
    return far.argmin(1).tolist() if far.amin(1).max() < 5e-4 else None


def _requests(views: Tensor, recorder: _Recorder, name: str, size: int) -> list[dict]:
    """The request behind each row of the views."""
    asked, painted = recorder.of_size(size)
    expect(
        bool(asked),
        f"No view was asked for at the size of the {name} ones, {size}: yours are resized or cut "
        "afterwards. one_view makes them at that size.",
    )
    raw = torch.cat(painted).double()
    rows = _rows_of(views, _right(raw))
    if rows is not None:
        return [asked[i] for i in rows]
    for message, normal in NORMALISED.items():
        for candidates in (normal(raw), torch.cat([normal(p.double()) for p in painted])):
            if _rows_of(views, candidates) is not None:
                raise Wrong(f"The {name} views {message}")
    right = _right(raw)
    matched = [_rows_of(v[None], right) is not None for v in views]
    if any(matched):
        wrong = ", ".join(str(i) for i, m in enumerate(matched) if not m)
        raise Wrong(
            f"Of the {name} views some rows are right and others ({wrong}) are not what one_view "
            f"returned, normalised: {FORMULA}"
        )
    if len(views) == len(raw):
        for c in range(3):  # as if each channel were (x - mean) / std with other numbers
            x, y = raw[:, c].flatten(), views[:, c].detach().double().cpu().flatten()
            factor = torch.cov(torch.stack([x, y]))[0, 1] / x.var()
            shift = x.mean() - y.mean() / factor
            if close((x - shift) / factor.reciprocal(), y, 1e-3):
                raise Wrong(
                    f"The {name} views are normalised by other numbers: channel {c} is (x - "
                    f"{shift.item():.3f}) / {factor.reciprocal().item():.3f}; expected (x - "
                    f"{MEAN[c].item():.3f}) / {STD[c].item():.3f}."
                )
    raise Wrong(f"The {name} views are not what one_view returned, normalised: {FORMULA}")


# ---------------------------------------------------------------- shapes, order, requests


def _expect_shapes(got, b: int, n_local: int, sizes: tuple[int, int]) -> None:
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "Return two tensors: the global views and the local views.",
    )
    for views in got:
        expect(
            not isinstance(views, list | tuple),
            "A list of views is returned where one tensor is asked for: torch.cat joins them along "
            "dimension 0.",
        )
        expect(isinstance(views, Tensor), f"Two tensors are asked for, not a {type(views)}.")
    shapes = [tuple(views.shape) for views in got]
    right = [(k * b, 3, s, s) for k, s in zip((2, n_local), sizes, strict=True)]
    if shapes == right:
        return
    expect(shapes != right[::-1], "The two are exchanged: global views first, then local views.")
    for name, shape, (rows, *rest), views in zip(
        ("global", "local"), shapes, right, (2, n_local), strict=True
    ):
        expected = f"({views} * B, 3, {rest[1]}, {rest[1]})"
        expect(
            shape != (views, b, *rest),
            f"The {name} views are stacked, (views, B, 3, S, S). They are joined, {expected}: "
            "torch.cat in place of torch.stack.",
        )
        expect(
            shape != (b, views, *rest),
            f"The {name} views are stacked image by image, (B, views, 3, S, S). They are joined, "
            f"{expected}: torch.cat along dimension 0.",
        )
        expect(
            shape != (rows, rest[1], rest[1], 3),
            f"The {name} views have their channels last; the shape is {expected}.",
        )
        joined = {
            (b, 3 * views, *rest[1:]): "channels (dim 1)",
            (b, 3, rest[1] * views, rest[1]): "rows (dim 2)",
            (b, 3, rest[1], rest[1] * views): "columns (dim 3)",
        }
        expect(
            views == 1 or shape not in joined,
            f"The {name} views are joined along their {joined.get(shape)}. They are joined along "
            "dimension 0.",
        )
        expect(
            name == "global" or shape[2:] != tuple(right[0][2:]),
            "The local views have the size of the global ones. They stay small (local_size): that "
            "is what makes them cheap, and the student has to work from less.",
        )
        expect(
            shape[1:] == tuple(rest),
            f"The {name} views have shape {shape}; expected {(rows, *rest)}, that is {expected}.",
        )
        count = shape[0] / b
        more = " n_local does not count the two global ones." if count == views - 2 else ""
        expect(
            shape[0] == rows,
            f"There are {count:.3g} {name} views of each image; {views} are asked for"
            + (f" (n_local, range(n_local)).{more}" if name == "local" else "."),
        )


def _expect_order(rows: list[dict], name: str, b: int, count: int) -> None:
    order = [row["image"] for row in rows]
    expect(
        order != [i for i in range(b) for _ in range(count)] or b == 1 or count == 1,
        f"The {name} views are image-major: all views of image 0, then of image 1. The loss "
        "expects crop-major: all images of view 0, then of view 1. torch.cat of the views does "
        "that.",
    )
    expect(
        len(set(order)) == b,
        f"Not every image is among the {name} views. Each view shows all images of the batch.",
    )
    expect(
        order != list(range(b))[::-1] * count or b == 1,
        f"In the {name} views the images run backwards. Row v B + i belongs to image i.",
    )
    expect(order == list(range(b)) * count, f"The {name} views are not in crop-major order.")
    expect(
        len({id(row) for row in rows}) == len(rows),
        f"The same draw serves several {name} views: they are copies. Call one_view anew for each "
        "view.",
    )
    for row in rows:
        expect(
            row["generator"] is not None,
            "The generator does not reach one_view, so no run can be repeated. Pass it on.",
        )


FIRST, SECOND, OTHER = (GLOBAL, 1.0, 0.0), (GLOBAL, 0.1, 0.2), (LOCAL, 0.5, 0.0)
SECOND_IS_OTHER = "The table has one row for the first global view and another for the second."
ASKED = {  # what is wrong -> (scale, blur_p, solarize_p) of the two global views and the locals
    "The two probabilities are exchanged: blur_p comes before solarize_p. " + SIGNATURE: (
        (GLOBAL, 0.0, 1.0), (GLOBAL, 0.2, 0.1), (LOCAL, 0.0, 0.5)
    ),
    "The first global view is solarized. It is the second: the two are meant to differ.": (
        (GLOBAL, 1.0, 0.2), (GLOBAL, 0.1, 0.0), OTHER
    ),
    "The two global views are exchanged: the first is always blurred, the second is solarized now "
    "and then.": (SECOND, FIRST, OTHER),
    "Blur: the first global always (1.0), the second rarely. Yours are exchanged.": (
        (GLOBAL, 0.1, 0.0), (GLOBAL, 1.0, 0.2), OTHER
    ),
    f"Both global views are made as the first. {SECOND_IS_OTHER}": (FIRST, FIRST, OTHER),
    f"Both global views are made as the second. {SECOND_IS_OTHER}": (SECOND, SECOND, OTHER),
    "Both global views are solarized now and then. It is the second alone.": (
        (GLOBAL, 1.0, 0.2), SECOND, OTHER
    ),
    "All views are solarized now and then. It is the second global one alone.": (
        (GLOBAL, 1.0, 0.2), SECOND, (LOCAL, 0.5, 0.2)
    ),
    "The local views are solarized now and then. It is the second global one alone.": (
        FIRST, SECOND, (LOCAL, 0.5, 0.2)
    ),
    "No view is solarized. The second global one is, with probability 0.2.": (
        FIRST, (GLOBAL, 0.1, 0.0), OTHER
    ),
    "The second global view is blurred always. It is blurred with probability 0.1.": (
        FIRST, (GLOBAL, 1.0, 0.2), OTHER
    ),
    "The local views are blurred always, as the first global one. It is half of them, 0.5.": (
        FIRST, SECOND, (LOCAL, 1.0, 0.0)
    ),
    "The local views are blurred as the second global one, 0.1. It is half of them, 0.5.": (
        FIRST, SECOND, (LOCAL, 0.1, 0.0)
    ),
    "The local views are made as the second global one, but for their scale. They are blurred with "
    "0.5 and never solarized.": (FIRST, SECOND, (LOCAL, 0.1, 0.2)),
    "The scales are exchanged: a global view covers 40% to 100% of the area, a local one 5% to "
    "40%.": ((LOCAL, 1.0, 0.0), (LOCAL, 0.1, 0.2), (GLOBAL, 0.5, 0.0)),
    "The local views have the scale of the global ones. A local view covers 5% to 40% of the area: "
    "(0.05, 0.4).": (FIRST, SECOND, (GLOBAL, 0.5, 0.0)),
    "The global views have the scale of the local ones. A global view covers 40% to 100% of the "
    "area: (0.4, 1.0).": ((LOCAL, 1.0, 0.0), (LOCAL, 0.1, 0.2), OTHER),
    "A scale's two ends are exchanged: the smaller share comes first.": (
        ((1.0, 0.4), 1.0, 0.0), ((1.0, 0.4), 0.1, 0.2), ((0.4, 0.05), 0.5, 0.0)
    ),
}  # fmt: skip


def _expect_requests(globals_: list[dict], locals_: list[dict], b: int) -> None:
    def what(row: dict) -> tuple:
        return row["scale"], row["blur_p"], row["solarize_p"]

    def same(a: tuple, c: tuple) -> bool:
        flat = [(*x[0], *x[1:]) for x in (a, c)]
        return all(math.isclose(p, q, abs_tol=1e-6) for p, q in zip(*flat, strict=True))

    groups = globals_[:b], globals_[b:], locals_
    for message, asked in ASKED.items():
        if all(same(what(r), a) for rows, a in zip(groups, asked, strict=True) for r in rows):
            raise Wrong(message)
    names = ("The first global", "The second global", "A local")
    for rows, name, want in zip(groups, names, (FIRST, SECOND, OTHER), strict=True):
        for row in rows:
            for key, expected in zip(("scale", "blur_p", "solarize_p"), want, strict=True):
                value = row[key]
                near = close(torch.tensor(value), torch.tensor(expected), 1e-6)
                expect(near, f"{name} view was asked for with {key} {value}; expected {expected}.")


def _examine(multi_crop: Callable, b: int, n_local: int, sizes: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (b, 3, 9, 11), dtype=torch.uint8)
    view, generator = _Recorder(images), torch.Generator().manual_seed(b)
    try:
        got = call(multi_crop, images, view, *sizes, n_local, generator)
    except RuntimeError as error:
        found = re.search(r"size of tensor [ab] \(3\).*dimension ([23])", str(error))
        if found:
            met = "rows" if found[1] == "2" else "columns"
            raise Wrong(
                f"The three numbers of IMAGENET_MEAN meet the {met} of the views and not their "
                "channels: torch.tensor(IMAGENET_MEAN).view(3, 1, 1) goes with (rows, 3, S, "
                "S)."
            ) from None
        raise
    _expect_shapes(got, b, n_local, sizes)
    for views in got:
        expect(views.is_floating_point(), f"The views are {views.dtype}; expected floats.")
        expect(
            views.dtype not in (torch.float16, torch.bfloat16),
            f"The views are {views.dtype}: half precision. Leave the type as one_view makes it.",
        )
    globals_, locals_ = (
        _requests(views, view, name, size)
        for views, name, size in zip(got, ("global", "local"), sizes, strict=True)
    )
    for rows, name, count in ((globals_, "global", 2), (locals_, "local", n_local)):
        _expect_order(rows, name, b, count)
    everything = globals_ + locals_
    expect(
        len({id(row) for row in everything}) == len(everything),
        "A view stands among the globals and among the locals.",
    )
    expect(
        all(row["generator"] is generator for row in everything),
        "one_view got another generator than the one you were given. Pass that on.",
    )
    expect(
        len(set(view.states)) == len(view.states),
        "The generator starts anew from view to view, so views have the same draws. Seed nothing "
        "here; pass the one generator on.",
    )
    _expect_requests(globals_, locals_, b)
    again = _Recorder(images)
    call(multi_crop, images, again, *sizes, n_local, generator)
    expect(
        again.states[0] != view.states[0],
        "A second batch gets the draws of the first: you seed the generator inside. Only draw from "
        "it.",
    )


@check("3.6", "multi-crop")
def check_3_6(multi_crop):
    _examine(multi_crop, 3, 5, (8, 6))
    _examine(multi_crop, 4, 1, (5, 7))
    _examine(multi_crop, 1, 3, (6, 4))

    def blank(images, size, scale, blur_p, solarize_p, generator):
        return images.new_zeros((len(images), 3, size, size), dtype=torch.float32)

    images = torch.zeros(2, 3, 9, 11, dtype=torch.uint8)
    expect_any_device(lambda images: multi_crop(images, blank, 6, 4, 3, torch.Generator()), images)
