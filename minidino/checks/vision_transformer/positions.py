"""2.5: positions learned on one grid, resized to another."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare, right_where, shaped, unsteady
from minidino.checks.core import (
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_dtype,
    expect_gradient,
)


def _cubic(size_in: int, size_out: int, a: float = -0.75, edge: str = "repeat") -> Tensor:
    """Bicubic interpolation of a row as a matrix: Keys' kernel, beyond the edges as said."""
    matrix = torch.zeros(size_out, size_in, dtype=torch.float64)
    for i in range(size_out):
        at = (i + 0.5) * size_in / size_out - 0.5
        for tap in range(math.floor(at) - 1, math.floor(at) + 3):
            t = abs(at - tap)
            near = (a + 2) * t**3 - (a + 3) * t**2 + 1
            far = a * (t**3 - 5 * t**2 + 8 * t - 4)
            if edge == "repeat" or 0 <= tap < size_in:
                matrix[i, min(max(tap, 0), size_in - 1)] += near if t <= 1 else far
    return matrix


def _fold(e: Tensor) -> Tensor:
    """(1, 1 + g*g, D) -> (1, D, g, g), [CLS] left out."""
    side = math.isqrt(e.shape[1] - 1)
    return e[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)


def _line(grid: Tensor) -> Tensor:
    """(1, D, h, w) -> (1, h*w, D)"""
    return grid.flatten(2).transpose(1, 2)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _positions(e: Tensor, h: int, w: int, **kernel) -> Tensor:
    grid = _fold(e)[0]
    rows, columns = _cubic(grid.shape[1], h, **kernel), _cubic(grid.shape[2], w, **kernel)
    new = torch.einsum("ij,kl,djl->ikd", rows, columns, grid.double())
    return torch.cat([e[:, :1].double(), new.reshape(1, h * w, -1)], dim=1)


def _resize(grid: Tensor, h: int, w: int, mode: str = "bicubic", **how) -> Tensor:
    return F.interpolate(grid, size=(h, w), mode=mode, **how)


def _built(resize=_resize, fold=_fold, line=_line, cls=lambda e: e[:, :1]):
    """Fold, resize, unfold, [CLS] in front."""
    return lambda e, h, w: torch.cat([cls(e), line(resize(fold(e), h, w))], dim=1)


def _side(e: Tensor) -> int:
    return math.isqrt(e.shape[1] - 1)


def _pad(grid: Tensor, h: int, w: int) -> Tensor:
    cut = grid[..., :h, :w]
    return F.pad(cut, (0, w - cut.shape[-1], 0, h - cut.shape[-2]))


def _kept_if(condition):
    """The positions as they are, where a comparison of sizes says so."""
    return lambda e, h, w: e if condition(_side(e), h, w) else _positions(e, h, w)


def _with_last(e: Tensor) -> Tensor:
    """All but the last folded: [CLS] taken for a patch, or for the last."""
    return _fold(e.roll(1, 1))


def _read_as_is(e: Tensor) -> Tensor:
    return e[:, 1:].reshape(1, e.shape[2], _side(e), _side(e))


def _as_memory(x: Tensor) -> Tensor:
    return x.reshape(1, -1, x.shape[1])


def _whole(e: Tensor, n: int, **how) -> Tensor:
    return F.interpolate(e.transpose(1, 2), size=n, **how).transpose(1, 2)


IN_LINE = (
    "You interpolated the whole sequence, [CLS] included, as a line. Take [CLS] off, fold the rest "
    "into its grid, and resize that in two dimensions."
)
A_LINE = (
    "You interpolated the patches' positions as a line. Neighbours in the picture, one below the "
    "other, are far apart there: fold them into their grid, and resize that in two dimensions."
)
PERMUTE = (
    "reshape is not permute: it keeps the order in memory, so positions and their components are "
    "mixed up. Fold (1, N, D) to (1, side, side, D), then move D to the front."
)
KEEP = "It has no place on the grid; keep it as it was, pos_embed[:, :1]."
CUT = "All positions are to be resized to the new grid, not some of them taken."
NUMBERS = "The numbers stay as the interpolation gives them."
FACTOR = "size=(h, w) says what is wanted."
RESIZES = {
    "This is nearest-neighbour interpolation (the default of F.interpolate): neighbours share a "
    'position. Use mode="bicubic".': lambda x, h, w: _resize(x, h, w, "nearest"),
    "This is nearest-neighbour interpolation (nearest-exact): neighbours share a position. Use "
    'mode="bicubic".': lambda x, h, w: _resize(x, h, w, "nearest-exact"),
    'This is bilinear interpolation. DINO uses mode="bicubic".': (
        lambda x, h, w: _resize(x, h, w, "bilinear")
    ),
    'This is bilinear interpolation with align_corners=True. DINO uses mode="bicubic", without.': (
        lambda x, h, w: _resize(x, h, w, "bilinear", align_corners=True)
    ),
    'This is bilinear interpolation with antialias=True. DINO uses mode="bicubic", without.': (
        lambda x, h, w: _resize(x, h, w, "bilinear", antialias=True)
    ),
    "This is an average over areas (adaptive pooling). DINO interpolates: "
    'mode="bicubic".': lambda x, h, w: _resize(x, h, w, "area"),
    "This is the largest over areas (adaptive pooling). DINO interpolates: "
    'mode="bicubic".': lambda x, h, w: F.adaptive_max_pool2d(x, (h, w)),
    "You set align_corners=True, which pins the corner *centres* and stretches the rest. A patch "
    "is an area: align_corners=False.": lambda x, h, w: _resize(x, h, w, align_corners=True),
    "You set antialias=True, which smooths when the grid shrinks (and uses another kernel). The "
    "released weights are used without.": lambda x, h, w: _resize(x, h, w, antialias=True),
    "h and w are swapped: you made a grid of w rows and h columns. size=(h, w).": (
        lambda x, h, w: _resize(x, w, h)
    ),
    "You add 0.1 to h and w and give a scale factor, as the official code does against rounding. "
    f"It shifts every position a little. {FACTOR}": lambda x, h, w: F.interpolate(
        x,
        scale_factor=((h + 0.1) / x.shape[2], (w + 0.1) / x.shape[3]),
        mode="bicubic",
    ),
    "You give a scale factor, h / side, and side * (h / side) may be 14.999..., which is cut to "
    f"one row too few. {FACTOR}": lambda x, h, w: F.interpolate(
        x, scale_factor=(h / x.shape[2], w / x.shape[3]), mode="bicubic"
    ),
    f"One scale factor serves both sides. The new grid need not be a square: {FACTOR}": (
        lambda x, h, w: F.interpolate(
            x, scale_factor=math.sqrt(h * w / (x.shape[2] * x.shape[3])), mode="bicubic"
        )
    ),
    f"One scale factor, h / side, serves both sides. {FACTOR}": (
        lambda x, h, w: F.interpolate(x, scale_factor=h / x.shape[2], mode="bicubic")
    ),
    "Your new grid is a square of h rows; it has w columns. size=(h, w).": (
        lambda x, h, w: _resize(x, h, h)
    ),
    "Your new grid is a square of w columns (w, or one scale factor w / side, for both); it has h "
    "rows. size=(h, w).": (lambda x, h, w: _resize(x, w, w)),
    "You resized to a square and cut it to h x w, which stretches the grid. size=(h, w) gives "
    "both.": lambda x, h, w: _resize(x, max(h, w), max(h, w))[..., :h, :w],
    "size=h * w is one number, and makes a square of it. size=(h, w) gives both.": (
        lambda x, h, w: _resize(x, h * w, h * w)
    ),
    f"You took the grid's top left corner, and zeros beyond it. {CUT}": _pad,
    f"You tiled the grid, and cut the tiling. {CUT}": lambda x, h, w: x.repeat(
        1, 1, -(-h // x.shape[2]), -(-w // x.shape[3])
    )[..., :h, :w],
    f"You took the grid's top left corner, and its edge again beyond it. {CUT}": (
        lambda x, h, w: x[:, :, torch.arange(h).clamp(max=x.shape[2] - 1)][
            :, :, :, torch.arange(w).clamp(max=x.shape[3] - 1)
        ]
    ),
}
FOLDS = {
    "[CLS]'s position is added to those of the grid. It is one of its own, in front.": (
        lambda e: _fold(e) + e[:, :1, :, None].transpose(1, 2)
    ),
    "You interpolated the [CLS] position too: it stands in the grid in place of the first patch. "
    "The patches' positions start at index 1.": _with_last,
    "Rows and columns of the grid are swapped when you fold it: patches go row by row, (h w).": (
        lambda e: _fold(e).mT
    ),
    f"When folding: {PERMUTE}": _read_as_is,
}
LINES = {
    "Rows and columns of the grid are swapped when you flatten it: patches go row by row, (h w).": (
        lambda x: _line(x.mT)
    ),
    f"When flattening: {PERMUTE}": _as_memory,
}
CLS = {
    f"The [CLS] position is lost: yours is zero. {KEEP}": lambda e: 0 * e[:, :1],
    f"[CLS] got the mean of the grid. {KEEP}": lambda e: e[:, 1:].mean(1, keepdim=True),
    f"[CLS] got the mean of all positions. {KEEP}": lambda e: e.mean(1, keepdim=True),
    f"[CLS] got the first patch's position. {KEEP}": lambda e: e[:, 1:2],
    f"[CLS] got the last patch's position. {KEEP}": lambda e: e[:, -1:],
    f"The [CLS] position is there twice. {KEEP}": lambda e: e[:, :1].repeat(1, 2, 1),
}
OTHERS = {
    "The [CLS] position is missing. It has no place on the grid; put it in front again, as it "
    "was.": lambda e, h, w: _positions(e, h, w)[:, 1:],
    "The [CLS] position is at the end; it goes in front, as it was.": (
        lambda e, h, w: _positions(e, h, w).roll(-1, 1)
    ),
    "You took the last position for [CLS]'s; it is the first.": lambda e, h, w: _positions(
        e.roll(1, 1), h, w
    ).roll(-1, 1),
    f"At both ends: {PERMUTE}": _built(fold=_read_as_is, line=_as_memory),
    IN_LINE: lambda e, h, w: _whole(e, 1 + h * w, mode="linear"),
    f"{IN_LINE} (Nearest, or cut off at its end.)": lambda e, h, w: _whole(e, 1 + h * w),
    f"{IN_LINE} (Bicubic along one dimension.)": lambda e, h, w: F.interpolate(
        e[None], size=(1 + h * w, e.shape[2]), mode="bicubic"
    )[0],
    A_LINE: lambda e, h, w: torch.cat([e[:, :1], _whole(e[:, 1:], h * w, mode="linear")], 1),
    f"{A_LINE} (Nearest, or cut off at its end.)": lambda e, h, w: torch.cat(
        [e[:, :1], _whole(e[:, 1:], h * w)], 1
    ),
    f"{A_LINE} (Bicubic along one dimension.)": lambda e, h, w: torch.cat(
        [e[:, :1], F.interpolate(e[None, :, 1:], size=(h * w, e.shape[2]), mode="bicubic")[0]], 1
    ),
    f"You cut the positions off after the first 1 + h*w. {CUT}": lambda e, h, w: e[:, : 1 + h * w],
    "The positions came back as they were. Resize them to h x w.": lambda e, h, w: e,
    "Where there are as many patches as before you returned the positions unchanged. They may be "
    "in another shape (4 x 4 is not 2 x 8): compare h and w with the old side, not the counts.": (
        _kept_if(lambda g, h, w: h * w == g * g)
    ),
    "Where the new grid is larger you returned the positions unchanged. They are to be resized "
    "both ways.": _kept_if(lambda g, h, w: h * w > g * g),
    "Where the new grid is smaller you returned the positions unchanged. They are to be resized "
    "both ways.": _kept_if(lambda g, h, w: h * w < g * g),
    "Where h is the old side you returned the positions unchanged. Compare w as well.": (
        _kept_if(lambda g, h, w: h == g)
    ),
    "Where w is the old side you returned the positions unchanged. Compare h as well.": (
        _kept_if(lambda g, h, w: w == g)
    ),
    "Your kernel is bicubic with a = -1/2 (Pillow's). PyTorch's, and DINO's, has a = -3/4.": (
        lambda e, h, w: _positions(e, h, w, a=-0.5)
    ),
    "Beyond the edges of the grid you take zeros, so positions fade there. The edge is repeated.": (
        lambda e, h, w: _positions(e, h, w, edge="zeros")
    ),
    f"A layer norm is applied to the positions. {NUMBERS}": lambda e, h, w: F.layer_norm(
        _positions(e, h, w), e.shape[-1:]
    ),
    f"[CLS] got the mean of the new grid. {KEEP}": lambda e, h, w: torch.cat(
        [(new := _positions(e, h, w)[:, 1:]).mean(1, keepdim=True), new], 1
    ),
    "The grid is resized with D behind it, (1, side, side, D): F.interpolate takes the last two "
    "dimensions for the picture. Move D to the front.": lambda e, h, w: torch.cat(
        [e[:, :1], _resize(_fold(e).permute(0, 2, 3, 1), h, w).reshape(1, -1, w)], 1
    ),
    "The batch dimension is lost: (1, 1 + h*w, D) keeps it.": lambda e, h, w: _positions(e, h, w)[
        0
    ],
    "The grid is still a picture, (1, D, h, w). Unfold it row by row to (1, h*w, D), with [CLS] in "
    "front.": lambda e, h, w: _resize(_fold(e), h, w),
    "The grid is still a picture, (1, h, w, D). Unfold it row by row to (1, h*w, D), with [CLS] in "
    "front.": lambda e, h, w: _resize(_fold(e), h, w).permute(0, 2, 3, 1),
}
MISTAKES = (
    {message: _built(resize=piece) for message, piece in RESIZES.items()}
    | {message: _built(fold=piece) for message, piece in FOLDS.items()}
    | {message: _built(line=piece) for message, piece in LINES.items()}
    | {message: _built(cls=piece) for message, piece in CLS.items()}
    | OTHERS
)


@check("2.5", "interpolated positions")
def check_2_5(interpolate_positions):
    def drawn(side: int, d: int, h: int, w: int) -> tuple:
        return torch.randn(1, 1 + side**2, d), h, w

    cases = [
        drawn(4, 3, 3, 5),
        drawn(5, 2, 7, 4),
        drawn(4, 6, 2, 8),  # as many, in another shape
        drawn(5, 3, 6, 5),  # the old side, twice
        drawn(5, 3, 5, 3),
        drawn(11, 2, 15, 4),  # 11 * (15 / 11) < 15
        drawn(3, 4, 7, 10),
    ]

    def right(where, *more: tuple):
        """Right just where this holds of the learned side, h and w."""
        return right_where(
            interpolate_positions,
            _positions,
            cases,
            lambda e, h, w: where(_side(e), h, w),
            [drawn(side, d, h, w) for side, d, h, w in more],
        )

    def agree(holds):
        """This holds of the result, which has the right shape, in every case."""
        both = [_positions(*case) for case in cases]
        return lambda got: all(
            isinstance(g, Tensor) and g.shape == e.shape and holds(g.double(), e)
            for g, e in zip(got, both, strict=True)
        )

    compare(
        interpolate_positions,
        cases,
        _positions,
        MISTAKES,
        names="(1, 1 + h*w, D)",
        tolerance=1e-5,
        clues={
            **{
                f"A side of {side} is written in for the learned grid. It is the root of the "
                "number of positions without [CLS].": right(
                    lambda g, h, w, side=side: g == side, (side, 3, 3, 5), (side, 2, 9, 4)
                )
                for side in (4, 6, 14)
            },
            "You take the new h for the side of the learned grid. That is the root of the number "
            "of positions without [CLS].": right(
                lambda g, h, w: h == g, (4, 3, 4, 7), (5, 2, 5, 3)
            ),
            "You take the new w for the side of the learned grid. That is the root of the number "
            "of positions without [CLS].": right(
                lambda g, h, w: w == g, (4, 3, 7, 4), (5, 2, 3, 5)
            ),
            "Your function is right on square grids only. h and w may differ: size=(h, w).": right(
                lambda g, h, w: h == w, (4, 3, 6, 6), (5, 2, 3, 3)
            ),
            f"Every position points the right way, and has another length. {NUMBERS}": (
                agree(lambda new, right: close(_unit(new), _unit(right), 1e-4))
            ),
            "The [CLS] position is missing. It has no place on the grid; put it in front again, "
            "as it was. (The rest is not right, either.)": shaped(
                cases, lambda e, h, w: (1, h * w, e.shape[2])
            ),
            "[CLS]'s position is right, those of the grid are not. They are the learned grid's, "
            'folded row by row and resized: size=(h, w), mode="bicubic".': agree(
                lambda new, right: close(new[:, :1], right[:, :1])
            ),
            "The grid's positions are right, [CLS]'s is not. It has no place on the grid; keep it "
            "as it was.": agree(lambda new, right: close(new[:, 1:], right[:, 1:], 1e-5)),
            "The same positions give another result the second time. Nothing is left to "
            "chance.": unsteady(interpolate_positions, cases[0]),
        },
    )
    compare(
        interpolate_positions,
        [drawn(4, 3, 4, 4), drawn(6, 2, 6, 6)],
        _positions,
        names="(1, 1 + h*w, D)",
        what="At the learned size, the result",
        tolerance=1e-5,
    )
    positions, h, w = cases[0]
    source = positions.clone().requires_grad_()
    moved = call(interpolate_positions, source, h, w)
    expect_gradient(
        moved, source, "No gradient reaches pos_embed; small crops must train it as well."
    )
    (gradient,) = torch.autograd.grad(moved.sum(), source, retain_graph=True)
    expect(
        gradient.abs().sum(dim=-1).all(),
        "No gradient reaches a part of pos_embed; small crops must train [CLS]'s position and "
        "the grid.",
    )
    expect_any_device(interpolate_positions, positions, h, w)
    expect_dtype(interpolate_positions, positions, h, w, both=True)
