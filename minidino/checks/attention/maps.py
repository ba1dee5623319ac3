"""Exercise 9.1, the [CLS] row as maps: tells apart other rows, columns and orders of the grid."""

import re

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, expect_any_device, expect_dtype
from minidino.checks.mistakes import Table


def _maps(a: Tensor, h: int, w: int) -> Tensor:
    want = a.new_empty(*a.shape[:2], h, w)
    for y in range(h):
        for x in range(w):
            want[:, :, y, x] = a[:, :, 0, 1 + y * w + x]
    return want


def _of_row(row):
    """Of (B, heads, h * w) in the place of [CLS]'s."""
    return lambda a, h, w: row(a).reshape(*a.shape[:2], h, w)


def _shape(*of):
    """Every result of that shape, of B, heads, N, h and w."""

    def shape(a, h, w):
        sizes = {"B": a.shape[0], "heads": a.shape[1], "N": h * w, "h": h, "w": w, "1": 1}
        return torch.Size(sizes[name] if name in sizes else sizes["N"] + 1 for name in of)

    return shape


PATCH = (
    "This is the row of a patch, not of [CLS]: where that patch looks. [CLS] is token 0, so its "
    "row is attention[:, :, 0]."
)
APART = "The heads look at different things; keep them apart: (B, heads, h, w)."
EACH = "Every image has maps of its own: (B, heads, h, w)."
ROWS: Table = {
    "You took a column: how much each patch attends to [CLS]. The question is where [CLS] looks; "
    "queries are the rows, keys the columns.": lambda a: a[:, :, 1:, 0],
    "You took a column, and [CLS]-to-[CLS] with it. Queries are the rows, keys the columns, and "
    "patches begin at 1.": lambda a: a[:, :, :-1, 0],
    "[CLS]-to-[CLS] is still in the map: its first cell is what [CLS] pays to itself, all others "
    "are one patch late. Patches begin at column 1.": lambda a: a[:, :, 0, :-1],
    PATCH: lambda a: a[:, :, 1, 1:],
    f"{PATCH} (Index -1 is the last patch.)": lambda a: a[:, :, -1, 1:],
    "[CLS] is taken to be the last token: this is the last patch's row, without its last column. "
    "[CLS] is token 0, in the rows and in the columns.": lambda a: a[:, :, -1, :-1],
    "This is the diagonal: what each patch pays to itself. [CLS]'s row is attention[:, :, 0].": (
        lambda a: a.diagonal(dim1=-2, dim2=-1)[..., 1:]
    ),
    "You applied softmax again. Attention is probabilities already; a second softmax makes them "
    "all nearly 1/N.": lambda a: a[:, :, 0, 1:].softmax(-1),
    "You applied softmax again. Attention is probabilities already; a second softmax makes them "
    "all nearly 1/(1 + N).": lambda a: a[:, :, 0].softmax(-1)[..., 1:],
    "You took the logarithm. Return the probabilities as they stand in the matrix.": (
        lambda a: a[:, :, 0, 1:].log()
    ),
    "You divided each map by its sum. A map sums to 1 less what [CLS] pays to itself, and that is "
    "worth keeping: masks are made relative to the map's own mass later.": (
        lambda a: a[:, :, 0, 1:] / a[:, :, 0, 1:].sum(-1, keepdim=True)
    ),
    "You divided each map by its largest value. That is a matter of drawing; return the values as "
    "they stand in the matrix.": (lambda a: a[:, :, 0, 1:] / a[:, :, 0, 1:].amax(-1, keepdim=True)),
    "You divided all maps by the largest value of all. That is a matter of drawing; return the "
    "values as they stand in the matrix.": lambda a: a[:, :, 0, 1:] / a[:, :, 0, 1:].max(),
    "You brought each map to 0..1 by its smallest and largest value. That is a matter of drawing; "
    "return the values as they stand in the matrix.": (
        lambda a: (
            (a[:, :, 0, 1:] - a[:, :, 0, 1:].amin(-1, keepdim=True))
            / (a[:, :, 0, 1:].amax(-1, keepdim=True) - a[:, :, 0, 1:].amin(-1, keepdim=True))
        )
    ),
    "You multiplied by the number of patches, so that 1 is an even share. Return the values as "
    "they stand in the matrix.": lambda a: a[:, :, 0, 1:] * (a.shape[-1] - 1),
    "You multiplied by the number of tokens, so that 1 is an even share. Return the values as they "
    "stand in the matrix.": lambda a: a[:, :, 0, 1:] * a.shape[-1],
    "You averaged over the queries: where all tokens look. Take [CLS]'s row alone.": (
        lambda a: a[..., 1:].mean(2)
    ),
    "You averaged over the queries: where the patches look. Take [CLS]'s row alone.": (
        lambda a: a[:, :, 1:, 1:].mean(2)
    ),
    "You averaged over the keys: what a row sums to, and no place in it. Take [CLS]'s row.": (
        lambda a: a[:, :, 1:].mean(3)
    ),
    "You summed over the keys: what a row sums to, and no place in it. Take [CLS]'s row.": (
        lambda a: a[:, :, 1:, 1:].sum(3)
    ),
    "You summed over the queries: what all tokens pay. Take [CLS]'s row alone.": (
        lambda a: a[..., 1:].sum(2)
    ),
    "You summed over the queries: what all patches pay. Take [CLS]'s row alone.": (
        lambda a: a[:, :, 1:, 1:].sum(2)
    ),
    "All heads show the same: you averaged over them. The heads look at different things; keep "
    "them apart.": lambda a: a[:, :, 0, 1:].mean(1, keepdim=True).expand(-1, a.shape[1], -1),
    "[CLS]'s row and column are mixed (a symmetric matrix?). Its row alone says where it looks.": (
        lambda a: (a[:, :, 0, 1:] + a[:, :, 1:, 0]) / 2
    ),
    "The maps are multiplied by each token's own attention to [CLS]. Take [CLS]'s row alone.": (
        lambda a: a[:, :, 0, 1:] * a[:, :, 1:, 0]
    ),
}
ROWS_TAKEN = {
    "h and w are swapped on the way: you filled the grid column by column. Patches are numbered "
    "row by row.": lambda a, h, w: a[:, :, 0, 1:].reshape(*a.shape[:2], w, h).transpose(-2, -1),
    "The numbers of images and heads are swapped in the reshape: values of one image stand in "
    "another's place. (B, heads, h, w).": _shape("heads", "B", "h", "w"),
    "You folded the line as if the heads were its last dimension, and moved them: (B, heads, N) "
    "folds into (B, heads, h, w) as it lies.": lambda a, h, w: (
        a[:, :, 0, 1:].reshape(a.shape[0], h, w, a.shape[1]).permute(0, 3, 1, 2)
    ),
    "The heads are the last dimension. (B, heads, h, w).": _shape("B", "h", "w", "heads"),
    "h and w are swapped. Patches are numbered row by row, so the height comes first: (B, heads, "
    "h, w).": _shape("B", "heads", "w", "h"),
    f"One map an image: you averaged over the heads (or took one of them). {APART}": (
        _shape("B", "h", "w")
    ),
    f"One map an image, in a dimension of size 1: you averaged over the heads. {APART}": (
        _shape("B", "1", "h", "w")
    ),
    f"You averaged over the batch, or kept its first image only. {EACH}": _shape("heads", "h", "w"),
    f"You averaged over the batch, or kept its first image only, one dimension of size 1. {EACH}": (
        _shape("1", "heads", "h", "w")
    ),
    "Images and heads are in one dimension. (B, heads, h, w).": lambda a, h, w: torch.Size(
        (a.shape[0] * a.shape[1], h, w)
    ),
    "The patches are still in one line of N. Bring them back to the picture: h rows of w.": (
        _shape("B", "heads", "N")
    ),
    "The patches are still in one line, and [CLS] is among them. Cut it, [..., 1:], and bring the "
    "rest back to the picture: h rows of w.": _shape("B", "heads", "T"),
    "You indexed the heads with 0: where all tokens look, in one head. Dimension 1 is heads, 2 the "
    "query, 3 the key: attention[:, :, 0].": _shape("B", "T", "h", "w"),
    "You indexed the heads with 0: where all tokens look, in one head. Dimension 1 is heads, 2 the "
    "query, 3 the key: attention[:, :, 0]. (And the grid is missing.)": _shape("B", "T", "N"),
    "All tokens' rows are there. Take [CLS]'s alone: attention[:, :, 0].": (
        _shape("B", "heads", "T", "h", "w")
    ),
    "The rows of all patches are there. Take [CLS]'s alone: attention[:, :, 0].": (
        _shape("B", "heads", "N", "h", "w")
    ),
    "You took the grid for a square of sqrt(N) patches a side. Pictures may be rectangles: use h "
    "and w.": lambda a, h, w: torch.Size((*a.shape[:2], *(round((h * w) ** 0.5),) * 2)),
}


def _too_many(answer, cases) -> None:
    """Wrong where the numbers cannot be folded, and how many there are tells why."""
    told = []
    for a, h, w in cases:
        try:
            call(answer, a, h, w)
            return
        except Wrong:
            return
        except Exception as error:
            told.append(_count(error, a))
    reasons = {
        "[CLS] is still among the patches: {} numbers a map where h * w are wanted. [CLS]'s row "
        "begins with what it pays to itself; patches begin at 1: attention[:, :, 0, 1:].": (
            lambda b, heads, n: b * heads * (n + 1)
        ),
        "Images and heads are missing in the reshape: (B, heads, h, w), of which h and w replace N "
        "alone.": lambda b, heads, n: b * heads * n,
        "One patch is missing: a slice 1:h * w ends one too early. 1: goes to the end.": (
            lambda b, heads, n: b * heads * (n - 1)
        ),
        "The [1:] cut an image off, and not [CLS]: after attention[:, :, 0] the patches are the "
        "last dimension, [..., 1:].": lambda b, heads, n: (b - 1) * heads * (n + 1),
        "The [1:] cut a head off, and not [CLS]: after attention[:, :, 0] the patches are the last "
        "dimension, [..., 1:].": lambda b, heads, n: b * (heads - 1) * (n + 1),
        "All tokens' rows are there, and [CLS] in the columns. One row: attention[:, :, 0, 1:].": (
            lambda b, heads, n: b * heads * (n + 1) ** 2
        ),
        "All tokens' rows are there. [CLS]'s alone: attention[:, :, 0, 1:].": (
            lambda b, heads, n: b * heads * (n + 1) * n
        ),
        "The rows of all patches are there. [CLS]'s alone: attention[:, :, 0, 1:].": (
            lambda b, heads, n: b * heads * n**2
        ),
        "You indexed the heads with 0, and all tokens of one head are left. Dimension 1 is heads, "
        "2 the query, 3 the key: attention[:, :, 0, 1:].": lambda b, heads, n: b * (n + 1) * n,
        "You indexed the heads with 0, and all tokens of one head are left, [CLS] among them. "
        "Dimension 1 is heads, 2 the query, 3 the key: attention[:, :, 0, 1:].": (
            lambda b, heads, n: b * (n + 1) ** 2
        ),
        "You indexed the batch with 0. Every image has maps of its own: attention[:, :, 0, 1:].": (
            lambda b, heads, n: heads * (n + 1) * n
        ),
        "One image's maps are there. Every image has its own: attention[:, :, 0, 1:].": (
            lambda b, heads, n: heads * n
        ),
        "The heads were averaged, or one was taken. Each has a map of its own: (B, heads, h, w).": (
            lambda b, heads, n: b * n
        ),
    }
    for words, count in reasons.items():
        if all(t == count(*a.shape[:2], h * w) for t, (a, h, w) in zip(told, cases, strict=True)):
            raise Wrong(words.format("1 + h * w"))


def _count(error: Exception, a: Tensor) -> int | None:
    """How many numbers were to be folded, if the exception says so."""
    if found := re.search(r"invalid for input of size (\d+)", str(error)):
        return int(found[1])
    # Of one dimension, by unflatten or einops.
    if found := re.search(r"size of dim -?\d+ \((\d+)\)|divide axis of length (\d+)", str(error)):
        return a.shape[0] * a.shape[1] * int(found[1] or found[2])
    if found := re.search(r"Shape mismatch, (\d+) != (\d+)", str(error)):
        return a.shape[0] * a.shape[1] * int(found[1])
    return None


def _case(batch: int, heads: int, h: int, w: int) -> tuple:
    return (2 * torch.randn(batch, heads, 1 + h * w, 1 + h * w)).softmax(dim=-1), h, w


@check("9.1", "the [CLS] row as maps")
def check_9_1(attention_maps):
    # 16 and 36 patches, so that a rectangle could be taken for a square.
    cases = [_case(2, 3, 2, 8), _case(5, 4, 9, 4)]
    mistakes = {m: _of_row(row) for m, row in ROWS.items()} | ROWS_TAKEN
    _too_many(attention_maps, cases)
    names = "(B, heads, h, w)"
    compare(attention_maps, cases, _maps, mistakes, names, tolerance=1e-5)
    # By hand: one head, two patches. Row 0 is [CLS]'s; it pays 0.2 to itself.
    by_hand = torch.tensor([[[[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.4, 0.35, 0.25]]]])
    few = [(by_hand, 1, 2), (by_hand, 2, 1), _case(1, 1, 2, 3), _case(1, 3, 4, 4)]
    compare(attention_maps, few, _maps, names=names, what="The map", tolerance=1e-5)
    expect_dtype(attention_maps, *cases[0])
    expect_any_device(attention_maps, *cases[0])
