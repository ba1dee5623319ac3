"""Checks of notebook 00: normalised features, similarities, tokens of a view."""

from numbers import Integral

import torch
from torch import Tensor

from minidino.checks.compare import compare, shaped
from minidino.checks.core import Wrong, call, check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import UNIT


def _unit(x: Tensor) -> Tensor:
    return x / x.pow(2).sum(-1, keepdim=True).sqrt()


@check("0.1", "features of length 1")
def check_0_1(l2_normalize):
    # By hand: (3, 4) has length 5. Of a square without keepdim=True nothing would be raised.
    by_hand = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    cases = [(by_hand,), (torch.randn(5, 3),), (2 * torch.randn(4, 4),)]
    compare(l2_normalize, cases, _unit, UNIT, names="(N, D)")
    expect_any_device(l2_normalize, *cases[1])
    expect_dtype(l2_normalize, *cases[1], both=True)


def _nearest(x: Tensor, unit=_unit, own=-torch.inf, almost=torch.inf) -> Tensor:
    similarity = unit(x) @ unit(x).T
    similarity = similarity.masked_fill(similarity > almost, -torch.inf)
    return similarity.masked_fill(torch.eye(len(x), dtype=torch.bool), own).argmax(1)


def _without_own(x: Tensor) -> Tensor:
    similarity = _unit(x) @ _unit(x).T
    n = len(similarity)
    return similarity[~torch.eye(n, dtype=torch.bool)].view(n, n - 1).argmax(1)


def _found_itself(case: tuple, got, want: Tensor) -> str | None:
    own = torch.arange(len(want))
    if not isinstance(got, Tensor) or got.shape != own.shape or not (got == own).any():
        return None
    i = (got == own).nonzero()[0].item()
    return (
        f"Image {i} found itself, where another is almost the same: rounding can put that one in "
        "front, and the second largest is the image itself. Rule the image itself out (the "
        "diagonal) before you look for the largest."
    )


def _integers(most_similar):
    """Whole numbers that say where, one an image."""

    def asked(x: Tensor) -> Tensor:
        got = call(most_similar, x)
        if isinstance(got, tuple):
            raise Wrong(
                "The result is a pair: max(dim=1) gives the values and where they are. Return "
                ".indices of it, or use argmax."
            )
        expect(
            not (isinstance(got, Tensor) and got.is_floating_point() and got.shape == x.shape[:1]),
            "These are not whole numbers. If they are the similarities, argmax tells where they "
            "stand.",
        )
        return got

    return asked


@check("0.2", "the most similar image")
def check_0_2(most_similar):
    # Twenty images tell the mistakes from each other. By hand: image 0 points almost the same way
    # as image 2, and away from image 1, which is by far the longest.
    by_hand = torch.tensor([[1.0, 0.0], [30.0, 40.0], [2.0, 0.2]])
    lengths = torch.rand(20, 1) * 3 + 0.2
    cases = [(torch.randn(20, 6) * lengths,), (torch.randn(17, 4),), (by_hand,)]
    compare(
        _integers(most_similar),
        cases,
        _nearest,
        {
            "Every image is found to be most similar to itself. Rule it out: set the diagonal of "
            "the similarities to -inf.": lambda x: torch.arange(len(x)),
            "Long features win: you compared by the plain product. Divide by the lengths first.": (
                lambda x: _nearest(x, unit=lambda x: x)
            ),
            "Long features win: you took the second largest of the plain products. Divide by the "
            "lengths first, and rule the image itself out.": (
                lambda x: (x @ x.T).argsort(1, descending=True)[:, 1]
            ),
            "You brought the columns to length 1. A row is an image's feature: dim=1.": (
                lambda x: _nearest(x, unit=lambda x: x / x.norm(dim=0))
            ),
            "You found the nearest by distance between features as long as they come. Divide by "
            "the lengths first.": lambda x: torch.cdist(x, x).fill_diagonal_(torch.inf).argmin(1),
            "You found the least similar image: argmax, not argmin.": (
                lambda x: (_unit(x) @ _unit(x).T).argmin(1)
            ),
            "You took absolute values. A cosine of -1 is the opposite direction, the least similar "
            "of all.": lambda x: (_unit(x) @ _unit(x).T).abs().fill_diagonal_(-torch.inf).argmax(1),
            "You took the image itself out of each row, and argmax counts what is left: from the "
            "diagonal on, every number is one too small. Set it to -inf and keep its place.": (
                _without_own
            ),
            "You looked only at the images after each one (triu). Those before it count too.": (
                lambda x: (_unit(x) @ _unit(x).T).triu(1).argmax(1)
            ),
            "You looked only at the images after each one, and set all others to -inf. Those before"
            " it count too.": lambda x: (
                (_unit(x) @ _unit(x).T)
                .masked_fill(torch.ones(len(x), len(x)).tril().bool(), -torch.inf)
                .argmax(1)
            ),
            "The similarities are returned. argmax tells where the largest stands.": lambda x: (
                _unit(x) @ _unit(x).T
            ).fill_diagonal_(-torch.inf),
        },
        names="(N,)",
        clues={
            "Two are returned for each image, and one of the two is the image itself. Rule that "
            "out first: its own similarity stands on the diagonal.": (
                shaped(cases, lambda x: (len(x), 2))
            )
        },
    )
    # A copy that hardly differs is another image all the same.
    x = torch.randn(6, 4)
    pairs = [(torch.cat([x, n * x + 0.002 * torch.randn(6, 4)]),) for n in (1, 3)]
    compare(
        _integers(most_similar),
        pairs,
        _nearest,
        {
            "You ruled out all that is nearly 1, and with the image itself its nearest copy. Only "
            "the diagonal goes.": lambda x: _nearest(x, almost=0.999)
        },
        names="(N,)",
        what="The list of the most similar, where two are almost the same,",
        otherwise=_found_itself,
    )
    # At 0, 120 and 230 degrees all others point away.
    angles = [torch.tensor(a).deg2rad() for a in ((0.0, 120.0, 230.0), (10.0, 125.0, 260.0))]
    compare(
        _integers(most_similar),
        [(torch.stack([a.cos(), a.sin()], dim=1),) for a in angles],
        _nearest,
        {
            "Where all others point away, you find the image itself: cosines may be below 0, so a "
            "diagonal of 0 rules nothing out. Set it to -inf.": lambda x: _nearest(x, own=0.0)
        },
        names="(N,)",
        what="The list of the most similar, where all others point away,",
    )


@check("0.3", "tokens of a view")
def check_0_3(count_tokens):
    got = call(count_tokens, 32, 48, 8)
    expect(
        isinstance(got, Integral),
        f"Return a whole number, an int; yours is a {type(got).__name__}.",
    )
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
        7: "A patch of 16 px is written in. `patch` is an argument.",
        73: "You made a token of each colour. A patch is one token, all its colours in it.",
        16: "You took a patch's side away before you divided. The first patch counts too.",
        23: "You took one away. [CLS] is a token more.",
        26: "[CLS] is counted twice.",
        17: "You took the picture for a square; its width is not its height.",
        37: "You took the picture for a square; its width is not its height.",
    }
    expect(got == 25, mistakes.get(got, f"32 x 48 px in patches of 8: yours is {got}, not 25."))
    for height, width, patch in ((224, 224, 16), (96, 96, 16), (36, 36, 6), (480, 640, 16)):
        want = len(range(0, height, patch)) * len(range(0, width, patch)) + 1
        got = call(count_tokens, height, width, patch)
        expect(got == want, f"{height} x {width} px in patches of {patch}: {got}, not {want}.")
