"""Exercise 13.3, maps without registers: tells apart which columns stay, which row is read, what
divides, and what the registers' share is a share of.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare, expect_everywhere
from minidino.checks.core import check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import Table


def _columns(a: Tensor, r: int) -> tuple[Tensor, Tensor]:
    """(B, heads, N) of the patches and (B, heads, R) of the registers, in the row of [CLS]."""
    row = a[:, :, 0]
    return row[..., 1 + r :], row[..., 1 : 1 + r]


def _normal(patches: Tensor) -> Tensor:
    return patches / patches.sum(-1, keepdim=True)


def _share(registers: Tensor, row: Tensor) -> Tensor:
    return registers.sum(-1)


def _grid(x: Tensor, h: int, w: int) -> Tensor:
    return x.reshape(*x.shape[:-1], h, w)


def _maps(columns=_columns, divided=_normal, share=_share, grid=_grid) -> Callable:
    def answer(a: Tensor, r: int, h: int, w: int) -> tuple[Tensor, Tensor]:
        patches, registers = columns(a, r)
        return grid(divided(patches), h, w), share(registers, a[:, :, 0])

    return answer


def _take(first: Callable, registers: Callable = lambda row, r, n: row[..., 1 : 1 + r]):
    """The N columns that begin at ``first``, as many as there are patches."""

    def columns(a: Tensor, r: int) -> tuple[Tensor, Tensor]:
        row = a[:, :, 0]
        n = row.shape[-1] - 1 - r
        at = first(r)
        return row[..., at : at + n], registers(row, r, n)

    return columns


def _row(of: Callable) -> Callable:
    """The right columns of another row."""

    def columns(a: Tensor, r: int) -> tuple[Tensor, Tensor]:
        row = of(a, r)
        return row[..., 1 + r :], row[..., 1 : 1 + r]

    return columns


def _end(row: Tensor, r: int, n: int) -> Tensor:
    return row[..., row.shape[-1] - r :]


ORDER = "The order is [CLS], then the registers, then the patches: patches begin at 1 + R."
COLUMNS: dict[str, Callable] = {
    f"The registers are still in the map: its first cells are theirs, and patches come late. "
    f"{ORDER}": _take(lambda r: 1),
    f"[CLS] and registers are still in the map. {ORDER}": _take(lambda r: 0),
    f"[CLS] is still counted: you begin at R, and the last register is the map's first cell. "
    f"{ORDER}": _take(lambda r: r),
    f"The registers are looked for at the end of the row. {ORDER}": _take(lambda r: 1, _end),
    "[CLS] is counted among the registers: columns 0 to R, or 1 less the patches' share. "
    + ORDER: _take(lambda r: 1 + r, lambda row, r, n: row[..., : 1 + r]),
    f"The registers' columns begin at 0, with [CLS], and the last one is left out. {ORDER}": _take(
        lambda r: 1 + r, lambda row, r, n: row[..., :r]
    ),
    f"The registers' columns begin one too late. {ORDER}": _take(
        lambda r: 1 + r, lambda row, r, n: row[..., 2 : 2 + r]
    ),
    f"The last register is left out of the share. {ORDER}": _take(
        lambda r: 1 + r, lambda row, r, n: row[..., 1:r]
    ),
    f"The share is of the row's last columns, which are patches. {ORDER}": _take(
        lambda r: 1 + r, _end
    ),
    "This is a column: how much each token attends to [CLS]. The question is where [CLS] looks; "
    "queries are the rows.": _row(lambda a, r: a[:, :, :, 0]),
    "This is the row of the first register, not of [CLS]. [CLS] is token 0.": _row(
        lambda a, r: a[:, :, 1]
    ),
    "This is the row of the first patch, not of [CLS]. [CLS] is token 0.": _row(
        lambda a, r: a[:, :, 1 + r]
    ),
    "This is the row of the last patch, not of [CLS]. [CLS] is token 0.": _row(
        lambda a, r: a[:, :, -1]
    ),
    "You averaged over the queries: where all tokens look. Take [CLS]'s row alone.": _row(
        lambda a, r: a.mean(2)
    ),
    "You averaged over the patches' rows: where patches look. Take [CLS]'s row alone.": _row(
        lambda a, r: a[:, :, 1 + r :].mean(2)
    ),
    "This is the diagonal: what each token pays to itself. [CLS]'s row is attention[:, :, 0].": (
        _row(lambda a, r: a.diagonal(dim1=-2, dim2=-1))
    ),
    "You applied softmax again. Attention is probabilities already.": _row(
        lambda a, r: a[:, :, 0].softmax(-1)
    ),
    "All heads show the same: you averaged over them. Keep them apart.": _row(
        lambda a, r: a[:, :, 0].mean(1, keepdim=True).expand(-1, a.shape[1], -1)
    ),
    "All images show the same: you averaged over the batch, or took its first.": _row(
        lambda a, r: a[:1, :, 0].expand(len(a), -1, -1)
    ),
    "The patches' order is turned round.": lambda a, r: (
        a[:, :, 0, 1 + r :].flip(-1), a[:, :, 0, 1 : 1 + r]
    ),
}  # fmt: skip
DIVIDED: dict[str, Callable] = {
    "The maps are not divided by their sums: what [CLS] and the registers get is missing in them, "
    "and models with and without registers cannot be laid side by side.": lambda x: x,
    "Each map is divided by its largest value. By its sum, so that it sums to 1.": (
        lambda x: x / x.amax(-1, keepdim=True)
    ),
    "Each map is brought to 0..1 by its smallest and largest value. Divide by its sum.": lambda x: (
        (x - x.amin(-1, keepdim=True)) / (x.amax(-1, keepdim=True) - x.amin(-1, keepdim=True))
    ),
    "All maps are divided by one sum, of the whole batch. Each has its own.": lambda x: x / x.sum(),
    "Each image is divided by the sum over its heads, or a head by that over images. Each map has "
    "its own sum.": lambda x: x / x.sum((1, 2), keepdim=True),
    "The heads are divided by their sum at each patch. Each map is divided by its own sum.": (
        lambda x: x / x.sum(1, keepdim=True)
    ),
    "Each map is divided by its mean: it sums to N. By its sum.": (
        lambda x: x / x.mean(-1, keepdim=True)
    ),
    "Each map is divided by its length (F.normalize). By its sum.": (
        lambda x: x / x.norm(dim=-1, keepdim=True)
    ),
    "A softmax is taken of each map so that it sums to 1. Divide by its sum.": (
        lambda x: x.softmax(-1)
    ),
    "What is missing is shared out evenly among the patches. Divide by the sum.": (
        lambda x: x + (1 - x.sum(-1, keepdim=True)) / x.shape[-1]
    ),
    "Each map is divided by the root of its sum. By its sum.": (
        lambda x: x / x.sum(-1, keepdim=True).sqrt()
    ),
}
OF_ROW = "It is their sum in [CLS]'s row, which as a whole sums to 1."
SHARES: dict[str, Callable] = {
    f"The registers' share is divided by that of the patches. {OF_ROW}": (
        lambda g, row: g.sum(-1) / row[..., 1 + g.shape[-1] :].sum(-1)
    ),
    f"The registers' share is of registers and patches together, without [CLS]. {OF_ROW}": (
        lambda g, row: g.sum(-1) / row[..., 1:].sum(-1)
    ),
    f"This is the mean of the registers, not their sum. {OF_ROW}": lambda g, row: (
        g.sum(-1) / max(g.shape[-1], 1)
    ),
    f"This is the mean of the registers, not their sum, and nan where there are none. {OF_ROW}": (
        lambda g, row: g.mean(-1)
    ),
    f"This is the patches' share, not the registers'. {OF_ROW}": (
        lambda g, row: row[..., 1 + g.shape[-1] :].sum(-1)
    ),
    f"This is what [CLS] pays to itself, not what the registers get. {OF_ROW}": (
        lambda g, row: row[..., 0]
    ),
    f"This is what all but the registers get: 1 less their share. {OF_ROW}": (
        lambda g, row: 1 - g.sum(-1)
    ),
    f"This is the largest register's share. {OF_ROW}": (
        lambda g, row: g.amax(-1) if g.shape[-1] else row[..., 0] * 0
    ),
    f"This is the first register's share alone. {OF_ROW}": (
        lambda g, row: g[..., 0] if g.shape[-1] else row[..., 0] * 0
    ),
    "One share an image came back: each head has its own, (B, heads).": (
        lambda g, row: torch.Size((len(g),))
    ),
    "One share for everything came back: each head of each image has its own, (B, heads).": (
        lambda g, row: torch.Size(())
    ),
    "Each register's share came back. Their sum is asked for, (B, heads).": (
        lambda g, row: torch.Size(g.shape)
    ),
    "The share is averaged over the heads, for all the same. Each has its own.": (
        lambda g, row: g.sum(-1).mean(1, keepdim=True).expand(g.shape[:2])
    ),
    "The share is in percent. It lies between 0 and 1.": lambda g, row: 100 * g.sum(-1),
}
GRIDS: dict[str, Callable] = {
    "The grid is filled column by column. Patches are numbered row by row.": (
        lambda x, h, w: x.reshape(*x.shape[:-1], w, h).transpose(-2, -1)
    ),
    "h and w are swapped: (B, heads, h, w).": lambda x, h, w: torch.Size((*x.shape[:-1], w, h)),
    "The maps are still lines of N numbers. Fold them into (B, heads, h, w).": (
        lambda x, h, w: torch.Size(x.shape)
    ),
    "One map an image: you averaged over the heads. Keep them apart, (B, heads, h, w).": (
        lambda x, h, w: torch.Size((len(x), h, w))
    ),
    "The heads are the last dimension. (B, heads, h, w).": (
        lambda x, h, w: torch.Size((len(x), h, w, x.shape[1]))
    ),
}


def _mistakes() -> Table:
    table = {m: _maps(columns=piece) for m, piece in COLUMNS.items()}
    table |= {m: _maps(divided=piece) for m, piece in DIVIDED.items()}
    table |= {m: _maps(share=piece) for m, piece in SHARES.items()}
    table |= {m: _maps(grid=piece) for m, piece in GRIDS.items()}

    def whole(a: Tensor, r: int, h: int, w: int) -> tuple[Tensor, Tensor]:
        """The registers left out of the softmax's sum, [CLS] kept."""
        row = a[:, :, 0, [0, *range(1 + r, a.shape[-1])]]
        return _grid(_normal(row)[..., 1:], h, w), a[:, :, 0, 1 : 1 + r].sum(-1)

    return table | {
        "[CLS] is left in the sum that divides: a map sums to less than 1. Only patches count.": (
            whole
        ),
        "The registers are left in the sum that divides: a map sums to less than 1. Only patches "
        "count.": lambda a, r, h, w: (
            _grid(a[:, :, 0, 1 + r :] / a[:, :, 0, 1:].sum(-1, keepdim=True), h, w),
            a[:, :, 0, 1 : 1 + r].sum(-1),
        ),
        "The two results are swapped: first the maps, then the registers' share.": (
            lambda *case: _maps()(*case)[::-1]
        ),
        "The maps alone came back. Return two things.": lambda *case: _maps()(*case)[0],
        "The registers are dropped from rows and columns, and nothing is known of their share "
        "(0).": lambda a, r, h, w: (_maps()(a, r, h, w)[0], torch.zeros(a.shape[:2])),
    }


def _case(batch: int, heads: int, r: int, h: int, w: int) -> tuple:
    return (2 * torch.randn(batch, heads, *[1 + r + h * w] * 2)).softmax(-1), r, h, w


FOUR = "4 registers are written in: attention[..., 5:]. How many there are is an argument."


@check("13.3", "maps without registers")
def check_13_3(patch_maps):
    @functools.wraps(patch_maps)
    def ask(*case):
        got = patch_maps(*case)
        expect(not isinstance(got, dict), "Return the two tensors as a tuple, not in a dict.")
        return tuple(got) if isinstance(got, list) else got

    # More patches than any number of registers that could be written in; once without registers.
    cases = [_case(2, 3, 4, 3, 4), _case(3, 2, 2, 5, 3), _case(2, 4, 0, 3, 5), _case(4, 3, 6, 2, 5)]
    expect_everywhere(ask, cases, _maps(), {FOUR: lambda a, r, h, w: r == 4})
    # By hand: [CLS] keeps 0.2 and gives 0.4 to two registers, 0.1 and 0.3 to two patches.
    row = torch.tensor([0.2, 0.3, 0.1, 0.1, 0.3])
    by_hand = row.expand(1, 1, 5, 5), 2, 1, 2
    compare(ask, [*cases, by_hand], _maps(), _mistakes(), "(B, heads, h, w), (B, heads)",
            "What you return")  # fmt: skip
    maps, share = patch_maps(*cases[0])
    expect(
        isinstance(maps, Tensor) and isinstance(share, Tensor),
        "Return two tensors, the maps (B, heads, h, w) and the registers' share (B, heads).",
    )
    expect_dtype(lambda a: ask(a, *cases[1][1:]), cases[1][0])
    expect_any_device(ask, *cases[0])
