"""Exercise 3.2, crop, resize and flip in two products: tells apart flips of the wrong dimension or
image, exchanged rows and columns, and values outside 0..1.
"""

import torch
from torch import Tensor

from minidino.checks.core import call, check, expect, expect_close
from minidino.checks.multi_crop.common import expect_device_of_inputs


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
    expect_device_of_inputs(crop_resize, images, rows, columns, flip)
