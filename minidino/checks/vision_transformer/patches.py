"""2.1: an image cut into patches, and every way in which its axes can be mixed up."""

import itertools
import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from minidino.checks.compare import compare, right_where, shaped, unsteady
from minidino.checks.core import check, close, expect_any_device, expect_dtype

# What each deviation from "b c (h p) (w q) -> b (h w) (c p q)" means.
SPLITS = {
    "(h p) (w q)": "",
    "(p h) (q w)": "Your patches are combs: every patch takes each (H/p)-th pixel of the picture. "
    "Neighbouring pixels belong together: the height is (h p), p running faster.",
    "(p h) (w q)": "Down the picture your patches are combs, with pixels from far apart. The "
    "height is (h p), p running faster.",
    "(h p) (q w)": "Across the picture your patches are combs, with pixels from far apart. The "
    "width is (w q), q running faster.",
}
GRIDS = {
    "(h w)": "",
    "(w h)": "Your patches are in column-major order: down the picture first. Patches go row by "
    "row: along a row of the picture first, then down. Write (h w), h slower.",
}
INSIDES = {
    "(c p q)": "",
    "(c q p)": "Rows and columns are swapped inside each patch: it lies on its side. Write "
    "(c p q): the row within the patch first, then the column.",
    "(p q c)": "The channels are mixed up in the patch vector: yours go pixel by pixel (p q c). "
    "Keep a channel together, (c p q), the order of a convolution's weights.",
    "(q p c)": "The channels are mixed up in the patch vector, and rows and columns are swapped: "
    "(q p c). Write (c p q), the order of a convolution's weights.",
    "(p c q)": "The channels alternate from row to row of a patch: (p c q). Keep a channel "
    "together, (c p q), the order of a convolution's weights.",
    "(q c p)": "The channels alternate from column to column of a patch: (q c p). Keep a channel "
    "together, (c p q), the order of a convolution's weights.",
}
LAYOUTS = {
    "b (c p q) (h w)": "Your result is transposed: a row should be a patch, a column a number of "
    "it, (B, N, C*p*p).",
    "(h w) b (c p q)": "Patches come first and images second, (N, B, C*p*p): the batch is the "
    "first dimension. Stack along dim=1.",
    "(b h w) (c p q)": "All images' patches are in one list. Keep the images apart: "
    "(B, N, C*p*p), so b stands alone.",
    "(h w) (b c p q)": "A vector of yours holds the same patch of all images. Keep the images "
    "apart: (B, N, C*p*p).",
    "b h w (c p q)": "The grid of patches is still there, (B, h, w, C*p*p). The sequence has one "
    "dimension for it: (h w).",
    "b c (h w) (p q)": "You kept the channels apart. A patch is one vector, all its channels in "
    "it: (B, N, C*p*p).",
    "b (h w) c (p q)": "You kept the channels apart inside a patch. It is one vector, (c p q).",
    "b (h w) (p q) c": "The channels are still a dimension of their own, at the end. A patch is "
    "one vector, (c p q).",
    "b (c h w) (p q)": "You made a token of each channel of each patch. A patch is one vector, all "
    "its channels in it.",
    "(b c) (h w) (p q)": "The channels went to the batch. A patch is one vector, all its channels "
    "in it.",
    "b (h w) c p q": "The patches are still squares, (B, N, C, p, p). Write each out as one "
    "vector, (c p q).",
    "b h w c p q": "The axes are split and moved, but not merged again: (B, (h w), (c p q)).",
}


def _vectors(images: Tensor, p: int) -> Tensor:
    # unfold makes (B, C*p*p, N) and knows nothing of einops.
    return F.unfold(images, kernel_size=p, stride=p).transpose(1, 2)


def _arranged(message: str, split: str, right: str) -> tuple:
    pattern = f"b c {split} -> {right}"
    return message, lambda x, p: rearrange(x, pattern, p=p, q=p)


def _mixed_up() -> dict:
    """Every order of axes but the right one, with what is wrong about it."""
    orders = [
        _arranged(" ".join(filter(None, (SPLITS[s], GRIDS[g], INSIDES[i]))), s, f"b {g} {i}")
        for s, g, i in itertools.product(SPLITS, GRIDS, INSIDES)
    ]
    layouts = [
        _arranged(
            " ".join(filter(None, (message, GRIDS[g], INSIDES[i]))),
            "(h p) (w q)",
            right.replace("h w", g[1:-1]).replace("c p q", i[1:-1]),
        )
        for right, message in LAYOUTS.items()
        for g, i in itertools.product(GRIDS, INSIDES)
        if "c p q" in right or not INSIDES[i]
    ]
    return dict(orders[1:] + layouts)


CUT = (
    "You only reshaped, so a row of yours is a run of memory: pixels side by side, not a square. "
    "The axes must be moved as well (rearrange, or permute) before they are merged."
)


def _split(x: Tensor, p: int) -> Tensor:
    """(B, C, h, p, w, p)"""
    b, c, height, width = x.shape
    return x.reshape(b, c, height // p, p, width // p, p)


def _as_many(x: Tensor, p: int) -> tuple[int, int]:
    return len(x), x.shape[2] * x.shape[3] // p**2


def _standard(x: Tensor, unbiased: bool) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, unbiased=unbiased)


MEMORY = {
    CUT: lambda x, p: x.reshape(*_as_many(x, p), -1),
    f"{CUT} (The windows are right; the channel has to move behind them.)": (
        lambda x, p: _split(x, p).transpose(3, 4).reshape(*_as_many(x, p), -1)
    ),
    f"{CUT} (The axes are split, and merged again where they stood.)": (
        lambda x, p: _split(x, p).permute(0, 2, 4, 1, 3, 5).reshape(len(x), -1, x.shape[2] // p * p)
    ),
    "unfold gives (B, C*p*p, N), and you reshaped it where it has to be transposed: "
    ".transpose(1, 2).": lambda x, p: F.unfold(x, p, stride=p).reshape(*_as_many(x, p), -1),
    "You split the height by the number of patches across and the width by the number down: h is "
    "H / p, w is W / p.": lambda x, p: (
        x.reshape(len(x), x.shape[1], x.shape[3] // p, p, x.shape[2] // p, p)
        .permute(0, 2, 4, 1, 3, 5)
        .reshape(*_as_many(x, p), -1)
    ),
    "You split (H, W) to (h, w, p, p), or to (N, p*p), in one go, which cuts up every row of the "
    "picture. Each of the two is split by itself, to (h, p) and (w, p); then the axes are moved.": (
        lambda x, p: x.reshape(len(x), x.shape[1], -1, p * p).transpose(1, 2).flatten(2)
    ),
    "You took the channels for the last dimension; images are (B, C, H, W).": lambda x, p: (
        x.reshape(len(x), x.shape[2] // p, p, x.shape[3] // p, p, x.shape[1])
        .transpose(2, 3)
        .reshape(*_as_many(x, p), -1)
    ),
}
NUMBERS = {
    "You scaled the pixels (by 255). The numbers stay as they are; they are only moved.": (
        lambda x, p: _vectors(x, p) / 255
    ),
    "You normalised each patch to mean 0 and deviation 1. The numbers stay as they are; they are "
    "only moved.": lambda x, p: _standard(_vectors(x, p), True),
    "You normalised each patch to mean 0 and deviation 1 (of p*p*C, not of one less). The numbers "
    "stay as they are; they are only moved.": lambda x, p: _standard(_vectors(x, p), False),
    "You took each patch's mean away. The numbers stay as they are; they are only moved.": (
        lambda x, p: _vectors(x, p) - _vectors(x, p).mean(-1, keepdim=True)
    ),
    "You brought each patch to length 1. The numbers stay as they are; they are only moved.": (
        lambda x, p: F.normalize(_vectors(x, p), dim=-1)
    ),
    "The channels come in reverse order (BGR). They keep theirs.": (
        lambda x, p: _vectors(x.flip(1), p)
    ),
    "You averaged each patch to one number a channel. All its C*p*p pixels are asked for.": (
        lambda x, p: F.avg_pool2d(x, p).flatten(2).transpose(1, 2)
    ),
    "You took the largest number of each patch and channel. All C*p*p pixels are asked for.": (
        lambda x, p: F.max_pool2d(x, p).flatten(2).transpose(1, 2)
    ),
    "You kept one pixel of each patch. All C*p*p are asked for.": (
        lambda x, p: x[:, :, ::p, ::p].flatten(2).transpose(1, 2)
    ),
    "You averaged the channels to grey. A patch has all its channels in it.": (
        lambda x, p: _vectors(x.mean(1, keepdim=True), p)
    ),
    "You added the channels up to one. A patch has all its channels in it.": (
        lambda x, p: _vectors(x.sum(1, keepdim=True), p)
    ),
    "Only the first channel is in your patches. All C belong to them.": (
        lambda x, p: _vectors(x[:, :1], p)
    ),
    "Only the first image is there. Cut all B.": lambda x, p: _vectors(x[:1], p),
    "Your patches overlap: they start at every pixel. They lie side by side: stride=patch_size.": (
        lambda x, p: F.unfold(x, p).transpose(1, 2)
    ),
    "Your patches overlap: you step by one pixel from patch to patch, by i where i * patch_size "
    "belongs.": lambda x, p: torch.stack(
        [
            x[:, :, i : i + p, j : j + p].flatten(1)
            for i in range(x.shape[2] // p)
            for j in range(x.shape[3] // p)
        ],
        dim=1,
    ),
    "You took patch_size for the number of patches along a side. It is the side of a patch, in "
    "pixels.": lambda x, p: rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", h=p, w=p),
    "The image came back as it was.": lambda x, p: x,
    "You only flattened the picture: there are as many tokens as pixels. A token is a patch.": (
        lambda x, p: x.flatten(2).transpose(1, 2)
    ),
    "You took the grid of patches for a square and let p and q follow from it. h is H / p, w is "
    "W / p.": lambda x, p: rearrange(
        x,
        "b c (h p) (w q) -> b (h w) (c p q)",
        h=math.isqrt(_as_many(x, p)[1]),
        w=math.isqrt(_as_many(x, p)[1]),
    ),
}


def _sorted_rows(vectors: Tensor) -> Tensor:
    """Rows in the order of their first numbers."""
    return vectors.gather(1, vectors[..., :1].argsort(1).expand_as(vectors))


@check("2.1", "patchify")
def check_2_1(patchify):
    cases = [
        (torch.randn(6, 3, 10, 8), 2),
        (torch.randn(2, 4, 15, 18), 3),
        (torch.arange(24.0).view(1, 1, 4, 6), 2),
    ]

    def right(where, *more: tuple):
        """Right just where this holds: sizes of images, b c height width, and a patch size."""
        tried = [(torch.randn(size), p) for size, p in more]
        return right_where(patchify, _vectors, cases, lambda x, p: where(*x.shape, p), tried)

    def dealt(order):
        """The right numbers, but for an order that this does away with."""
        want = [order(_vectors(*case)) for case in cases]
        return lambda got: all(
            isinstance(g, Tensor) and g.ndim == 3 and close(order(g), w)
            for g, w in zip(got, want, strict=True)
        )

    compare(
        patchify,
        cases,
        _vectors,
        _mixed_up() | MEMORY | NUMBERS,
        names="(B, N, C*p*p)",
        clues={
            "Your function is right on square pictures only: you took the grid of patches for a "
            "square, or h for w somewhere. h is H / p, and w is W / p.": right(
                lambda b, c, y, x, p: y == x, ((2, 3, 6, 6), 2), ((3, 2, 12, 12), 3)
            ),
            **{
                f"A patch size of {size} is written in. Take the argument patch_size.": right(
                    lambda b, c, y, x, p, size=size: p == size,
                    ((2, 3, 2 * size, 3 * size), size),
                    ((1, 2, 3 * size, size), size),
                )
                for size in (2, 4, 8, 16)
            },
            **{
                f"Your function is right for pictures of {told} only. Take the number of channels "
                "from the image.": right(
                    lambda b, c, y, x, p, channels=channels: c == channels,
                    ((2, channels, 10, 8), 2),
                    ((4, channels, 6, 15), 3),
                )
                for channels, told in ((1, "one channel"), (3, "three channels"))
            },
            "Your function is right for one image only. Take the batch from images.shape.": right(
                lambda b, c, y, x, p: b == 1, ((1, 3, 10, 8), 2), ((1, 2, 6, 15), 3)
            ),
            "You kept the channels apart. A patch is one vector, all its channels in it: (B, N, "
            "C*p*p).": shaped(cases, lambda x, p: (len(x), x.shape[1], _as_many(x, p)[1], p * p)),
            "The last row and column of patches are missing: range(0, H, p) goes up to H, not to "
            "H - p.": shaped(
                cases,
                lambda x, p: (
                    len(x),
                    (x.shape[2] // p - 1) * (x.shape[3] // p - 1),
                    x.shape[1] * p * p,
                ),
            ),
            "One token too many comes out: [CLS] is prepended later, in 2.2.": shaped(
                cases, lambda x, p: (len(x), _as_many(x, p)[1] + 1, x.shape[1] * p * p)
            ),
            "Your patches are right, and their order is not. They go row by row: along a row of "
            "the picture first, then down.": dealt(lambda v: _sorted_rows(v)),
            "Each patch holds its own pixels, in another order. It is (c p q): a channel after "
            "the other, each row by row.": dealt(lambda v: v.sort(-1).values),
            "All pixels are there, and dealt to the wrong patches. Split height and width, move "
            "the axes, and only then merge.": dealt(lambda v: v.flatten(1).sort(-1).values),
            "The same image gives other patches the second time. Nothing here is left to "
            "chance.": unsteady(patchify, cases[0]),
        },
    )
    expect_any_device(patchify, *cases[0])
    expect_dtype(patchify, *cases[0], both=True)
