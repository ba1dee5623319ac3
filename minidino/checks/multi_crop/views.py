"""Exercise 3.6, multi-crop: tells apart views of the wrong size, scale or order, copies of one
draw, exchanged probabilities, and wrong normalisations.
"""

import math

import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, check, expect, expect_tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
