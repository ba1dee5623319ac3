"""Exercise 13.1, KoLeo: tells apart other neighbours, other distances, other terms and totals."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import (
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_dtype,
    expect_numbers,
)
from minidino.checks.mistakes import UNIT, Table, with_piece

EPS = 1e-8


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _own(x: Tensor) -> Tensor:
    return torch.eye(len(x), dtype=torch.bool)


def _gaps(x: Tensor) -> Tensor:
    """(B, B) distances, 0 on the diagonal; exact where rows nearly agree."""
    return (x[:, None] - x[None]).norm(dim=-1)


def _apart(x: Tensor, own: float = math.inf, gaps: Callable = _gaps) -> Tensor:
    """(B, B) distances; ``own`` stands on the diagonal."""
    return gaps(x).masked_fill(_own(x), own)


def _nearest(d: Tensor) -> Tensor:
    return d.amin(1)


def _term(d: Tensor) -> Tensor:
    return -(d + EPS).log()


def _loss(unit=_unit, apart=_apart, near=_nearest, term=_term, total=torch.mean) -> Callable:
    return lambda x: total(term(near(apart(unit(x)))))


def _by_product(x: Tensor, own: float) -> Tensor:
    """(B, 1) distances of unit rows to the neighbour chosen by x @ x.T with ``own`` as diagonal."""
    at = (x @ x.T).masked_fill(_own(x), own).argmax(1)
    unit = _unit(x)
    return (unit - unit[at]).norm(dim=1, keepdim=True)


def _by_columns(x: Tensor) -> Tensor:
    x = x / x.norm(dim=0)
    at = (x @ x.T).fill_diagonal_(-math.inf).argmax(1)
    return _term((x - x[at]).norm(dim=1)).mean()


def _others(d: Tensor) -> Tensor:
    """(B, B - 1), without the diagonal."""
    return d[~_own(d)].view(len(d), -1)


ITSELF = (
    "Its nearest is the row itself, at a distance of 0: the loss is the same for all features and "
    "teaches nothing. Leave the diagonal out: fill distances there with inf, cosines with -inf."
)
APART: dict[str, Callable] = {
    ITSELF: lambda x: _apart(x, 0.0),
    "The diagonal of the cosines is filled with 0, and 0 is more than a negative cosine: a row "
    "with none but negative ones is its own neighbour. Fill it with -inf.": (
        lambda x: _by_product(x, 0.0)
    ),
    "Nothing that is farther than 1 counts with you. Is 1 on the diagonal of the distances (fill "
    "it with inf), or the loss cut off at 0?": lambda x: _apart(x, 1.0),
    "2 is put on the diagonal of squared distances, or the root of 2 on that of distances: a row "
    "whose neighbours are farther is its own. Fill it with inf.": (
        lambda x: _apart(x, math.sqrt(2))
    ),
    "These are absolute differences (L1). The distance is the root of the sum of squares.": (
        lambda x: _apart(x, gaps=lambda x: (x[:, None] - x[None]).abs().sum(-1))
    ),
    "This is the largest difference of any one number. The distance is the root of the sum of "
    "squares.": lambda x: _apart(x, gaps=lambda x: (x[:, None] - x[None]).abs().amax(-1)),
    "This is 1 - cos in place of the distance, sqrt(2 - 2 cos).": (
        lambda x: _apart(x, gaps=lambda x: 1 - x @ x.T)
    ),
    "This is the angle in place of the distance.": (
        lambda x: _apart(x, gaps=lambda x: (x @ x.T).clamp(-1, 1).acos())
    ),
    "The distance is squared, so the loss is twice as large: log d^2 = 2 log d. Take the root.": (
        lambda x: _apart(x, gaps=lambda x: _gaps(x).square())
    ),
    "The mean of squares is under the root. The distance is the root of their sum.": (
        lambda x: _apart(x, gaps=lambda x: (x[:, None] - x[None]).square().mean(-1).sqrt())
    ),
    "Each row is paired with the next one, whichever that is. Its *nearest* is asked for.": (
        lambda x: (x - x.roll(-1, 0)).norm(dim=1, keepdim=True)
    ),
    "Each row is compared with the mean of the batch. Its nearest neighbour is asked for.": (
        lambda x: (x - x.mean(0)).norm(dim=1, keepdim=True)
    ),
    "The nearest *number* is looked for: distances between columns. A row is a feature.": (
        lambda x: _apart(x.T)
    ),
}
NEAR: dict[str, Callable] = {
    "You took the farthest of the others (the smallest cosine): pushing it away spreads nothing. "
    "The nearest is asked for.": (lambda d: _others(d).amax(1)),
    "You took the mean distance to all others: two clumps far apart would be fine. The nearest "
    "alone counts.": lambda d: _others(d).mean(1),
    "You took the mean of all distances, of a row to itself (0) among them. The nearest other "
    "alone counts.": lambda d: d.masked_fill(_own(d), 0).mean(1),
    "You took the sum of the distances to all others. The nearest alone counts.": (
        lambda d: _others(d).sum(1)
    ),
    "You took the second nearest: the row itself is out already. (topk or sort, one too far.)": (
        lambda d: d.sort(1).values[:, 1]
    ),
    "You took the median of the distances. The nearest.": lambda d: _others(d).median(1).values,
    "The mean of the two nearest is taken. The nearest alone.": (
        lambda d: d.sort(1).values[:, :2].mean(1)
    ),
    "All pairs are in your loss: the logarithm of each distance. The nearest neighbour's alone.": (
        lambda d: _others(d)
    ),
}
TERMS: dict[str, Callable] = {
    "The sign is turned round: your loss falls as neighbours come *nearer*. It is -log d.": (
        lambda d: (d + EPS).log()
    ),
    "The logarithm is missing: -d pushes far ones as hard as near ones. -log d.": lambda d: -d,
    "The logarithm is missing, and the sign is turned round. -log d.": lambda d: d,
    "The logarithm is of base 2. The natural one is asked for.": lambda d: -(d + EPS).log2(),
    "The logarithm is of base 10. The natural one is asked for.": lambda d: -(d + EPS).log10(),
    "log1p(d) is log(1 + d), which is flat near 0 where it should be steep. -log d.": (
        lambda d: -d.log1p()
    ),
    "This is 1 / d. -log d is asked for.": lambda d: 1 / d,
    "This is exp(-d). -log d is asked for.": lambda d: (-d).exp(),
    "This is exp(-d^2) of a Gaussian. -log d is asked for.": lambda d: (-d.square()).exp(),
    "This is d log d, as in an entropy of shares. -log d is asked for.": lambda d: -d * d.log(),
    "log(B d) is taken: the number of rows is in it. -log d.": (
        lambda d: -(len(d) * d + EPS).log()
    ),
}
TOTALS: dict[str, Callable] = {
    "You summed over the rows; take the mean.": torch.sum,
    "Only the nearest pair of the whole batch counts with you. Each row has a nearest neighbour: "
    "take the mean.": torch.max,
    "You took the smallest of the rows; take the mean.": torch.min,
    "One number a row came back. Return their mean.": lambda each: torch.Size((len(each),)),
    "The sum is divided by B - 1. Divide by B, the number of rows.": (
        lambda each: each.sum() / (len(each) - 1)
    ),
    "The sum is divided by B (B - 1), the number of pairs. One neighbour a row: divide by B.": (
        lambda each: each.mean() / (len(each) - 1)
    ),
    "You took the logarithm of the mean distance. The mean of the logarithms is asked for.": (
        lambda each: -(-each).exp().mean().log()
    ),
    "The product of all distances is there, without a mean.": lambda each: (-each.sum()).exp(),
}


def _mistakes() -> Table:
    table = with_piece(lambda piece: _loss(apart=piece), APART)
    table |= with_piece(lambda piece: _loss(near=piece), NEAR)
    table |= with_piece(lambda piece: _loss(term=piece), TERMS)
    table |= with_piece(lambda piece: _loss(total=piece), TOTALS)
    table |= {
        m: _loss(unit=piece)
        for m, piece in UNIT.items()
        if not m.startswith(("The rows are as they came", "You divided without keepdim"))
    }

    def chosen_by(features: Callable, told: Callable) -> Callable:
        def answer(x: Tensor) -> Tensor:
            at = _apart(features(x)).argmin(1)
            return _term((told(x) - told(x)[at]).norm(dim=1)).mean()

        return answer

    return table | {
        "The rows are not brought to length 1: longer features would lower the loss without "
        "spreading at all. Divide each by its length first.": _loss(unit=lambda x: x),
        "The neighbour is looked for among unit rows, and its distance taken of raw ones. Unit "
        "rows in both.": chosen_by(_unit, lambda x: x),
        "The neighbour is looked for among raw rows. Bring them to length 1 first.": chosen_by(
            lambda x: x, _unit
        ),
        "The neighbour is the largest *dot product* of raw rows, which favours long ones. Bring "
        "the rows to length 1 first.": lambda x: _term(_by_product(x, -math.inf)).mean(),
        "You normalised over the batch (dim=0), the columns. A row is a feature, with a length of "
        "its own: dim=1.": _by_columns,
        f"{ITSELF} (And log 0 is infinite: 1e-8 belongs to the distance.)": (
            lambda x: -_apart(_unit(x), 0.0).amin(1).log().mean()
        ),
        "The cosine itself is in the logarithm, not the distance.": (
            lambda x: -(_unit(x) @ _unit(x).T).masked_fill(_own(x), -1).amax(1).log().mean()
        ),
        "This is minus the largest cosine: its logarithm, and the distance, are missing.": (
            lambda x: -(_unit(x) @ _unit(x).T).masked_fill(_own(x), -1).amax(1).mean()
        ),
        "This is the largest cosine, made small: the distance and its logarithm are missing. "
        "-log d.": lambda x: (_unit(x) @ _unit(x).T).masked_fill(_own(x), -1).amax(1).mean(),
    }


TWINS = (
    "Of two equal rows each leaves the other out: distances of 0 (or cosines of 1) are taken for "
    "those of a row to itself, and twins have them as well. They are the very ones to drive apart: "
    "leave the row itself out by its place, the diagonal."
)
DUPLICATES = (
    "Two rows are the same, as two crops of one image may nearly be: your {} is {}. Add 1e-8 to "
    "the distance before the logarithm, and take the distance by .norm() or cdist: a root's slope "
    "at 0 is infinite."
)


@check("13.1", "KoLeo: keep your distance")
def check_13_1(koleo):
    simplex = torch.eye(4) - 0.25 + 0.05 * torch.randn(4, 4)  # all cosines near -1/3
    cases = [
        *((torch.randn(n, d) * (0.3 + 3 * torch.rand(n, 1)),) for n, d in ((6, 3), (9, 4))),
        (simplex * torch.tensor([[1.0], [4.0], [0.5], [2.0]]),),
    ]
    # By hand: at right angles, sqrt(2) apart; the third row lies between, sqrt(2 - sqrt(2)).
    by_hand = (torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]),)
    compare(koleo, [*cases, by_hand], _loss(), _mistakes(), "a scalar", "The loss")
    for case in cases[:2]:
        _expect_gradient(koleo, case[0])
    twins = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    expect(not close(torch.as_tensor(call(koleo, twins)), _loss(_unit, _no_twins)(twins)), TWINS)
    x = torch.randn(5, 4)
    x[3] = x[1]
    x.requires_grad_()
    loss = call(koleo, x)
    expect(torch.isfinite(loss), DUPLICATES.format("loss", loss.item()))
    (gradient,) = torch.autograd.grad(loss, x)
    expect(torch.isfinite(gradient).all(), DUPLICATES.format("gradient", "nan"))
    near = torch.tensor([[1.0, 0.0, 0.0], [1.0, 3e-4, 0.0], [0.0, 0.0, 1.0], [0.0, -3e-4, 1.0]])
    got = call(koleo, near)
    expect(
        abs(got.item() - _loss()(near.double()).item()) < 0.05,
        "Rows that are 0.0003 apart come out wrong, and near neighbours are what KoLeo is about. "
        "2 - 2 cos takes two nearly equal numbers from each other; in float32 little is left, and "
        "a large eps hides it as well. Find the neighbour by cosines if you like, then take the "
        "length of the difference of the two rows; and add no more than 1e-8.",
    )
    expect_dtype(koleo, *cases[1])
    expect_any_device(koleo, *cases[0])


def _no_twins(x: Tensor) -> Tensor:
    d = _apart(x)
    return d.masked_fill(d == 0, math.inf)


def _expect_gradient(koleo, x: Tensor) -> None:
    """Both of a pair move: the row and its neighbour."""
    x = x.clone().requires_grad_()
    loss = koleo(x)
    expect(
        loss.requires_grad,
        "No gradient flows back: the loss is detached, or all of it under no_grad. The *choice* "
        "of a neighbour may be; the distance may not.",
    )
    (got,) = torch.autograd.grad(loss, x)
    expect_numbers(got)
    at = _apart(_unit(x.detach())).argmin(1)

    def gradient(hold_row: bool, hold_neighbour: bool) -> Tensor:
        wide = x.detach().double().requires_grad_()
        row, other = _unit(wide), _unit(wide)[at]
        row, other = row.detach() if hold_row else row, other.detach() if hold_neighbour else other
        return torch.autograd.grad(_term((row - other).norm(dim=1)).mean(), wide)[0]

    def agrees(want: Tensor) -> bool:
        return torch.allclose(got.double(), want, atol=1e-4)

    expect(
        not agrees(gradient(False, True)),
        "The neighbour is detached: half of the gradient is missing. Only the choice of who is "
        "nearest carries none; both rows of the pair move apart.",
    )
    expect(
        not agrees(gradient(True, False)),
        "The row is detached, and its neighbour alone moves. Both rows of the pair move apart.",
    )
    expect(
        agrees(gradient(False, False)),
        "The loss is right and its gradient is not: a part of it is detached, or the lengths are "
        "taken as constants.",
    )
