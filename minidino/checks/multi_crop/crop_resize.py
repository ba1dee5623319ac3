"""Exercise 3.2, crop, resize and flip in two products: flips of the wrong dimension or image,
exchanged rows and columns, wrong products, and values outside 0..1.
"""

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import check, expect, expect_any_device
from minidino.pixels import IMAGENET_MEAN, IMAGENET_STD


def _product(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Loops over images and channels."""
    return torch.stack(
        [
            torch.stack([r @ channel @ c.T for channel in image])
            for image, r, c in zip(x, rows, columns, strict=True)
        ]
    )


def _turned(x: Tensor, flip: Tensor, *dims: int) -> Tensor:
    return torch.stack([v.flip(*dims) if f else v for v, f in zip(x, flip, strict=True)])


def _resize(
    floats=lambda x: x / 255,
    before=lambda x, rows, columns, flip: (x, rows, columns),
    product=_product,
    turn=lambda y, flip: _turned(y, flip, 2),
    end=lambda y: y.clamp(0, 1),
):
    """R X C^T, flipped and clamped, with one piece changed."""

    def resize(images: Tensor, rows: Tensor, columns: Tensor, flip: Tensor) -> Tensor:
        y = product(*before(floats(images.double()), rows, columns, flip))
        return end(turn(y, flip))

    return resize


def _sent(*dims: int):
    """The flip is made before the product, on the columns' matrix or the images."""
    return _resize(
        before=lambda x, r, c, flip: (x, r, _turned(c, flip, *dims)), turn=lambda y, flip: y
    )


def _of_others(x, rows, columns, flip):
    others = [b if f else a for a, b, f in zip(columns, columns.flip(0), flip, strict=True)]
    return x, rows, torch.stack(others)


def _sent_columns(images, rows, columns, flip):
    return rows, _turned(columns, flip, 0)


def _standard(y: Tensor) -> Tensor:
    mean, std = (torch.tensor(v).view(3, 1, 1).double() for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (y.clamp(0, 1) - mean) / std


SIDEWAYS = "A horizontal flip exchanges left and right: it reverses the columns."
OWN = "Image i goes with rows[i] and columns[i]."
BYTES = "The bytes 0..255 become floats in 0..1: divide by 255."
BOTH = "Y = R X C^T: the rows' matrix from the left, the columns' transposed from the right."

MISTAKES = {
    f"The view is upside down: you flipped the rows. {SIDEWAYS}": _resize(
        turn=lambda y, f: _turned(y, f, 1)
    ),
    "You turned the view by half a circle: rows and columns are both reversed. Only the columns "
    "are.": _resize(turn=lambda y, f: _turned(y, f, 1, 2)),
    f"You reversed the channels, red and blue, and not the columns. {SIDEWAYS} That is the last "
    "dimension.": _resize(turn=lambda y, f: _turned(y, f, 0)),
    "You reversed channels and columns together. Only the columns are.": _resize(
        turn=lambda y, f: _turned(y, f, 0, 2)
    ),
    "You reversed everything: channels, rows and columns. Only the columns are.": _resize(
        turn=lambda y, f: _turned(y, f, 0, 1, 2)
    ),
    f"The flip is not used. {SIDEWAYS}": _resize(turn=lambda y, f: y),
    "You flipped all images. Each has a coin of its own: flip[i].": _resize(
        turn=lambda y, f: y.flip(-1)
    ),
    "You flipped just those that should not be flipped.": _resize(
        turn=lambda y, f: _turned(y, ~f, 2)
    ),
    "You asked the first image's coin for all. Each has its own: flip[i].": _resize(
        turn=lambda y, f: y.flip(-1) if f[0] else y
    ),
    "The coins are in another order than the images: flip[i] belongs to image i.": _resize(
        turn=lambda y, f: _turned(y, f.flip(0), 2)
    ),
    "The view is transposed where it should be flipped: rows and columns are exchanged. "
    + SIDEWAYS: _resize(
        turn=lambda y, f: torch.stack([v.mT if c else v for v, c in zip(y, f, strict=True)])
    ),
    "You changed the sign of the views that are to be flipped. " + SIDEWAYS: (
        _resize(turn=lambda y, f: torch.where(f[:, None, None, None], -y, y))
    ),
    "You mirrored the image before cutting, so the crop comes from the other side. Reverse the "
    "order of the new pixels: columns.flip(1), not columns.flip(2).": _sent(1),
    "You reversed both dimensions of the columns' matrix. Only the new pixels are turned round: "
    "columns.flip(1).": _sent(0, 1),
    "You turned the image upside down before cutting, and not the view sideways. " + SIDEWAYS: (
        _resize(
            before=lambda x, r, c, f: (x, _turned(r, f, 1), c),
            turn=lambda y, f: y,
        )
    ),
    "You reversed dimension 0 of the columns, the images: each got another's matrix. The new "
    "pixels are dimension 1.": _resize(before=_of_others, turn=lambda y, f: y),
    "You reversed dimension 0 of the views, the images: each that is flipped became another. The "
    "columns are the last dimension.": _resize(
        turn=lambda y, f: torch.where(f[:, None, None, None], y.flip(0), y)
    ),
    f"The bytes are not divided by 255 before you clamp, so nearly all is 1. {BYTES}": _resize(
        floats=lambda x: x
    ),
    f"The values are in 0..255. Everything after this expects 0..1. {BYTES}": _resize(
        floats=lambda x: x, end=lambda y: y
    ),
    f"The values are in 0..255, and clamped to that. {BYTES}": _resize(
        floats=lambda x: x, end=lambda y: y.clamp(0, 255)
    ),
    f"You clamped to 0..1 first and divided by 255 then, so nearly all is 1/255. {BYTES}": _resize(
        floats=lambda x: x, end=lambda y: y.clamp(0, 1) / 255
    ),
    f"You clamped the bytes to 0..1, so all that is not black is white. {BYTES}": _resize(
        floats=lambda x: x.clamp(0, 1)
    ),
    f"You clamped the bytes to 0..1 and then divided by 255. {BYTES}": _resize(
        floats=lambda x: x.clamp(0, 1) / 255
    ),
    "You divided by 255 twice. Once makes 0..1 of bytes.": _resize(floats=lambda x: x / 255 / 255),
    "You divided by 256. The largest byte is 255, and white is 1.": _resize(
        floats=lambda x: x / 256
    ),
    "You divided by 128. The largest byte is 255, and white is 1.": _resize(
        floats=lambda x: x / 128
    ),
    "You divided in whole numbers (//), and all but white became 0. Make floats first: "
    "images.float() / 255.": _resize(floats=lambda x: x // 255),
    "The values are in -1..1. Pictures are in 0..1 here: divide the bytes by 255, no more.": (
        _resize(end=lambda y: y.clamp(0, 1) * 2 - 1)
    ),
    "The values are made -1..1 before the clamp, so all that is dark is 0. Divide the bytes by "
    "255, no more.": _resize(floats=lambda x: x / 127.5 - 1),
    "ImageNet's mean and standard deviation come at the very end of all, after the colours. Here "
    "pictures are in 0..1.": _resize(end=_standard),
    "You stretched each batch to 0..1 by its own minimum and maximum. Divide by 255 and clamp.": (
        _resize(end=lambda y: (y - y.min()) / (y.max() - y.min()))
    ),
    "You divided by the largest value of the batch, which differs from batch to batch. " + BYTES: (
        _resize(floats=lambda x: x / x.max())
    ),
    "The picture is a negative: 1 - x.": _resize(floats=lambda x: 1 - x / 255),
    "You rounded the result to bytes. Floats in 0..1 are asked for, as they are.": _resize(
        end=lambda y: (y.clamp(0, 1) * 255).round() / 255
    ),
    "You cut the result to whole bytes. Floats in 0..1 are asked for, as they are.": _resize(
        end=lambda y: (y.clamp(0, 1) * 255).floor() / 255
    ),
    "You did not clamp. A cubic kernel has negative weights and overshoots: .clamp(0, 1) at the "
    "end.": _resize(end=lambda y: y),
    "You clamped at 0 only. A cubic kernel overshoots 1 as well: .clamp(0, 1).": _resize(
        end=lambda y: y.clamp(min=0)
    ),
    "You clamped at 1 only. A cubic kernel falls below 0 as well: .clamp(0, 1).": _resize(
        end=lambda y: y.clamp(max=1)
    ),
    "You took the absolute value where negative values are to be clamped to 0.": _resize(
        end=lambda y: y.abs().clamp(max=1)
    ),
    "A sigmoid changes all values; what overshoots is clamped: .clamp(0, 1).": _resize(
        end=lambda y: y.sigmoid()
    ),
    "You clamped the matrices. Their negative weights are what makes a cubic resize sharp: only "
    "the result is clamped.": _resize(
        before=lambda x, r, c, f: (x, r.clamp(0, 1), c.clamp(0, 1))
    ),
    f"You used the matrices of the first image for all: one crop for the whole batch. {OWN}": (
        _resize(before=lambda x, r, c, f: (x, r[:1].expand_as(r), c[:1].expand_as(c)))
    ),
    f"You used the rows of the first image for all. {OWN}": _resize(
        before=lambda x, r, c, f: (x, r[:1].expand_as(r), c)
    ),
    f"You used the columns of the first image for all. {OWN}": _resize(
        before=lambda x, r, c, f: (x, r, c[:1].expand_as(c))
    ),
    f"You used the matrices of the last image for all. {OWN}": _resize(
        before=lambda x, r, c, f: (x, r[-1:].expand_as(r), c[-1:].expand_as(c))
    ),
    f"You averaged the matrices of the batch. {OWN}": _resize(
        before=lambda x, r, c, f: (x, r.mean(0).expand_as(r), c.mean(0).expand_as(c))
    ),
    f"You summed the matrices of the batch (an einsum without n in one place). {OWN}": _resize(
        before=lambda x, r, c, f: (x, r.sum(0).expand_as(r), c.sum(0).expand_as(c))
    ),
    "The first image serves for all. Each view is of its own image.": _resize(
        before=lambda x, r, c, f: (x[:1].expand_as(x), r, c)
    ),
    "The images are mixed with each other: your einsum sums over them. n stands on both sides.": (
        _resize(before=lambda x, r, c, f: (x.sum(0).expand_as(x), r, c))
    ),
    "The view is transposed: rows and columns are exchanged in the result. Y = R X C^T keeps the "
    "rows first.": _resize(end=lambda y: y.clamp(0, 1).mT),
    "Your einsum applies the matrix for the height to the width, and the view lies on its side. In "
    '"nsh,nchw,ntw->ncst" rows and image share h, columns and image w.': _resize(
        before=lambda x, r, c, f: (x.mT, r, c)
    ),
    f"Only the columns are resized; the rows' matrix is missing. {BOTH}": _resize(
        product=lambda x, r, c: x @ c.mT[:, None]
    ),
    "You multiplied entry by entry (*) where a matrix product (@) belongs. " + BOTH: _resize(
        product=lambda x, r, c: r[:, None] * x * c.mT[:, None]
    ),
    "The channels are summed: c is missing on the right of your einsum, and the picture is gray. "
    "Each channel has its own result.": _resize(
        product=lambda x, r, c: _product(x, r, c).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    ),
    "The channels are averaged: the picture is gray. Each channel has its own result.": _resize(
        product=lambda x, r, c: _product(x, r, c).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    ),
    "The channels are summed away: c is missing on the right of your einsum. The result is (n, 3, "
    "S, S).": lambda *case: (
        _product(case[0].double() / 255, *_sent_columns(*case)).sum(1).clamp(0, 1)
    ),
    "The channels come last. The result is (n, 3, S, S), channels second.": lambda *case: (
        _resize()(*case).movedim(1, -1)
    ),
    "Red and blue are exchanged (BGR). Channels stay where they are.": lambda *case: (
        _resize()(*case).flip(1)
    ),
}  # fmt: skip
# Each with the flip made on the view, and on the columns' matrix before the product.
PRODUCTS = {
    "Rows and columns are swapped: the matrix for the height was applied to the width": (
        lambda x, r, c: _product(x, c, r)
    ),
    "The rows' matrix serves for both sides": lambda x, r, c: _product(x, r, r),
    "The columns' matrix serves for both sides": lambda x, r, c: _product(x, c, c),
    "Only the rows are resized; the columns' matrix is missing": lambda x, r, c: r[:, None] @ x,
    "The columns' matrix is not transposed": lambda x, r, c: r[:, None] @ x @ c[:, None],
    "The rows' matrix is transposed, and the columns' is not": (
        lambda x, r, c: r.mT[:, None] @ x @ c[:, None]
    ),
}
for said, product in PRODUCTS.items():
    MISTAKES[f"{said}. {BOTH}"] = _resize(product=product)
    MISTAKES[f"{said}, and so the flip goes wrong as well. {BOTH}"] = _resize(
        before=lambda x, r, c, f: (x, r, _turned(c, f, 0)), product=product, turn=lambda y, f: y
    )
MISTAKES[f"The rows' matrix is transposed. {BOTH}"] = _resize(
    product=lambda x, r, c: r.mT[:, None] @ x @ c.mT[:, None]
)


def _in_order(got: Tensor, want: Tensor) -> bool:
    """A growing function of the right values."""
    free = (want > 0) & (want < 1)
    in_order = got.double()[free][want[free].argsort()]
    return bool((in_order.diff() >= -1e-5).all() and in_order[-1] > in_order[0] + 0.1)


@check("3.2", "crop, resize and flip in two products")
def check_3_2(crop_resize):
    def case(n: int, h: int, w: int, size: int, flip: list[bool], sharp: float):
        """Rows sum to 1; some weights are negative, as a cubic's are."""
        images = torch.randint(0, 256, (n, 3, h, w), dtype=torch.uint8)
        images[:, 0] //= 2  # a tint
        matrices = [
            (1 + sharp) * (2 * torch.randn(n, size, k)).softmax(-1) - sharp / k for k in (h, w)
        ]
        return images, *matrices, torch.tensor(flip)

    compare(
        crop_resize,
        [
            case(2, 4, 4, 4, [True, False], 0.0),
            case(4, 5, 5, 5, [False, True, True, False], 0.0),
            case(5, 8, 8, 6, [True, False, False, True, False], 0.6),
            case(4, 6, 9, 5, [True, False, True, True], 0.4),
            case(5, 9, 7, 4, [False, True, False, True, True], 0.8),
        ],
        _resize(),
        MISTAKES,
        names="(n, 3, S, S)",
        properties={
            "What is bright and what is dark is right, and the values are not: they went through "
            f"another curve. {BYTES} Then .clamp(0, 1).": _in_order,
        },
        otherwise=lambda case, got, want: (
            f"The result is {got.dtype}; expected torch.float32, in 0..1."
            if isinstance(got, Tensor) and not got.is_floating_point()
            else None
        ),
    )
    images, rows, columns, flip = case(4, 6, 9, 5, [True, False, True, False], 0.4)
    got = crop_resize(images, rows, columns, flip)
    expect(got.dtype == torch.float32, f"The result is {got.dtype}; expected torch.float32.")
    expect_any_device(crop_resize, images, rows, columns, flip)
