"""Checks of notebook 00: normalised features, similarities, tokens of a view."""

import torch

from minidino.checks.core import (
    Wrong,
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_tensor,
)


@check("0.1", "features of length 1")
def check_0_1(l2_normalize):
    # By hand: (3, 4) has length 5.
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    want = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    expect_close(
        call(l2_normalize, x),
        want,
        {
            "You divided by the sum of the entries. Length is the root of the sum of squares: "
            "(3, 4) is 5 long.": x / x.sum(-1, keepdim=True),
            "You divided by the sum of squares; take its square root.": x
            / (x**2).sum(-1, keepdim=True),
            "You normalised the columns. A row is an image's feature: dim=-1.": x / x.norm(dim=0),
            "You divided all rows by the length of the whole tensor. Each row has its own: "
            "dim=-1, keepdim=True.": x / x.norm(),
            "Each row is divided by another row's length: the lengths need keepdim=True, so that "
            "(N, 1) goes with (N, D).": x / x.norm(dim=-1),
            "You divided by the largest entry. Length is the root of the sum of squares: (3, 4) is "
            "5 long.": x / x.amax(-1, keepdim=True),
            "This is a softmax: positive and summing to 1, but not of length 1.": x.softmax(-1),
        },
        names="(N, D)",
        what="l2_normalize([[3, 4], [0, 2]])",
    )
    x = torch.randn(5, 3)
    lengths = call(l2_normalize, x).double().pow(2).sum(-1).sqrt()
    expect_close(lengths, torch.ones(5), names="(N,)", what="The length of the rows")
    expect_any_device(l2_normalize, x)


@check("0.2", "the most similar image")
def check_0_2(most_similar):
    # By hand: image 0 points almost the same way as image 2, and away from image 1, which is
    # by far the longest.
    by_hand = torch.tensor([[1.0, 0.0], [30.0, 40.0], [2.0, 0.2]])
    _expect_positions(call(most_similar, by_hand), 3)
    # Twenty images tell the mistakes from each other, three do not.
    x = torch.randn(20, 6)
    distances = torch.cdist(x, x).fill_diagonal_(torch.inf)
    expect_close(
        call(most_similar, x),
        _others(_cosines(x)).argmax(1),
        {
            "Every image is found to be most similar to itself. Rule it out: set the diagonal of "
            "the similarities to -inf.": torch.arange(20),
            "Long features win: you compared by the plain product. Divide by the lengths "
            "first.": _others(x @ x.T).argmax(1),
            "You brought the columns to length 1. A row is an image's feature: dim=1.": _others(
                (x / x.norm(dim=0)) @ (x / x.norm(dim=0)).T
            ).argmax(1),
            "You found the nearest by distance between features as long as they come. Divide by "
            "the lengths first.": distances.argmin(1),
            "You found the least similar image: argmax, not argmin.": _cosines(x).argmin(1),
            "You took absolute values. A cosine of -1 is the opposite direction, the least "
            "similar of all.": _others(_cosines(x).abs()).argmax(1),
        },
        names="(N,)",
        what="The list of the most similar of 20 random images",
    )
    expect_close(call(most_similar, by_hand), torch.tensor([2, 2, 0]), names="(N,)")
    # At 0, 120 and 230 degrees all others point away.
    angles = torch.tensor([0.0, 120.0, 230.0]).deg2rad()
    spread = torch.stack([angles.cos(), angles.sin()], dim=1)
    expect_close(
        call(most_similar, spread),
        torch.tensor([1, 2, 1]),
        {
            "Where all others point away, you find the image itself: cosines may be below 0, so a "
            "diagonal of 0 rules nothing out. Set it to -inf.": torch.arange(3)
        },
        what="The list of the most similar, at angles of 0, 120 and 230 degrees,",
    )


def _cosines(x: torch.Tensor) -> torch.Tensor:
    """(N, N) cosines of all pairs, in float64."""
    unit = x.double() / x.double().pow(2).sum(1, keepdim=True).sqrt()
    return unit @ unit.T


def _others(similarity: torch.Tensor) -> torch.Tensor:
    """The similarities with each image's own ruled out."""
    own = torch.eye(len(similarity), dtype=torch.bool)
    return similarity.masked_fill(own, -torch.inf)


def _expect_positions(got: object, n: int) -> None:
    """Whole numbers that say where, one an image."""
    if isinstance(got, tuple):
        raise Wrong(
            "The result is a pair: max(dim=1) gives the values and where they are. Return .indices "
            "of it, or use argmax."
        )
    expect_tensor(got, (n,), "(N,)")
    expect(
        not got.is_floating_point(),
        "These are not whole numbers. If they are the similarities, argmax tells where they stand.",
    )


@check("0.3", "tokens of a view")
def check_0_3(count_tokens):
    got = call(count_tokens, 32, 48, 8)
    expect(isinstance(got, int), f"Return a whole number, an int; yours is a {type(got).__name__}.")
    mistakes = {
        24: "You left out [CLS]: the token in front that belongs to no patch.",
        1537: "You counted pixels. A patch of 8 px is one token: divide each side by it.",
        1536: "You counted pixels. A patch of 8 px is one token: divide each side by it.",
        193: "You divided once. A patch has two sides: (height / patch) * (width / patch).",
        192: "You divided once. A patch has two sides: (height / patch) * (width / patch).",
        11: "You added the patches down to those across. They form a grid: multiply.",
        28: "[CLS] is one token, added after the product: mind the brackets.",
        30: "[CLS] is one token, added after the product: mind the brackets.",
        35: "[CLS] is one token, added after the product: mind the brackets.",
        17: "You took the picture for a square; its width is not its height.",
        37: "You took the picture for a square; its width is not its height.",
    }
    expect(got == 25, mistakes.get(got, f"32 x 48 px in patches of 8: yours is {got}, not 25."))
    for height, width, patch in ((224, 224, 16), (96, 96, 16), (36, 36, 6), (480, 640, 16)):
        want = len(range(0, height, patch)) * len(range(0, width, patch)) + 1
        got = call(count_tokens, height, width, patch)
        expect(got == want, f"{height} x {width} px in patches of {patch}: {got}, not {want}.")
