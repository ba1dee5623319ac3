"""Exercise 10.3, Sinkhorn: tells apart what is scaled, in which order, how often, from where."""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, close, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import Table


def _columns(q: Tensor) -> Tensor:
    return q / q.sum(0, keepdim=True)


def _rows(q: Tensor) -> Tensor:
    return q / q.sum(1, keepdim=True)


def _start(scores: Tensor, epsilon: float) -> Tensor:
    x = scores / epsilon
    return (x - x.max()).exp()


def _balance(start=_start, steps=(_columns, _rows), rounds=lambda n: n, end=lambda q: q):
    def answer(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
        q = start(scores, epsilon)
        for _ in range(rounds(iterations)):
            for step in steps:
                q = step(q)
        return end(q)

    return answer


def _doubly(p: float):
    return (
        lambda q: q / q.norm(p, dim=0, keepdim=True),
        lambda q: q / q.norm(p, dim=1, keepdim=True),
    )


ORDER = (
    "Prototypes first (each column is divided by its sum), then images (each row by its sum), so "
    "that the rows sum to 1 at the end."
)
START = (
    "It begins with exp(scores / epsilon) as it stands. To keep it in range take the largest score "
    "of *all* away: what is taken from single rows changes how much each image weighs at first."
)
BEGINNINGS = {
    f"It begins with a softmax of each row, which scales the rows once more. {START}": (
        lambda s, e: (s / e).softmax(1)
    ),
    "epsilon is not used: exp(scores). Divide by it first.": lambda s, e: _start(s, 1.0),
    "You multiplied by epsilon. Divide: a small one makes sharp assignments.": (
        lambda s, e: _start(s, 1 / e)
    ),
    "0.05 is written in for epsilon. It is an argument.": lambda s, e: _start(s, 0.05),
    "You divided by the root of epsilon. Epsilon itself divides.": lambda s, e: _start(s, e**0.5),
    "The sign is turned round: the smallest score gets the most.": lambda s, e: _start(-s, e),
    "The exponential is missing: scores themselves are divided by their sums.": lambda s, e: s / e,
    "The scores are brought to length 1 first. They are used as they are.": (
        lambda s, e: _start(s / s.norm(dim=1, keepdim=True), e)
    ),
    "You took the power of 2 where e belongs: exp.": (
        lambda s, e: _start(s, e / torch.tensor(2.0).log().item())
    ),
    "You took a sigmoid where exp belongs.": lambda s, e: (s / e).sigmoid(),
    "You clamped scores / epsilon at 1. Take the largest score of all away to keep exp in "
    "range.": lambda s, e: (s / e).clamp(max=1).exp(),
}
STEPS = {
    "The order is turned round, rows first, then columns (or images and prototypes are exchanged), "
    f"so rows do not sum to 1. {ORDER}": (
        _rows, _columns
    ),
    f"Only rows are divided by their sums: this is a softmax, and prototypes may be used as "
    f"unevenly as before. {ORDER}": (_rows,),
    f"Only columns are divided by their sums; rows do not sum to 1. {ORDER}": (_columns,),
    "Rows and columns are divided at once, by sums of the same matrix. One after the other: the "
    "second sum is of what the first left.": (
        lambda q: q / q.sum(0, keepdim=True) / q.sum(1, keepdim=True),
    ),
    "You divided by lengths (F.normalize, the root of the sum of squares). Divide by the sums.": (
        _doubly(2.0)
    ),
    "You divided by the largest entries. Divide by the sums.": _doubly(float("inf")),
    "You divided by means: rows sum to K, not to 1.": (
        lambda q: q / q.mean(0, keepdim=True), lambda q: q / q.mean(1, keepdim=True)
    ),
    "Rows are divided by sums without keepdim=True, so that each meets other rows' sums.": (
        _columns, lambda q: q / q.sum(1)
    ),
    "Each iteration takes roots: sums are halfway divided. Divide by the whole sum.": (
        lambda q: q / q.sum(0, keepdim=True).sqrt(), lambda q: q / q.sum(1, keepdim=True).sqrt()
    ),
    "The whole matrix is divided by its sum, and neither rows nor columns by theirs.": (
        lambda q: q / q.sum(),
    ),
}  # fmt: skip
ROUNDS = {
    "One iteration too many.": lambda n: n + 1,
    "One iteration too few.": lambda n: n - 1,
    "There is one iteration, whatever `iterations` is (or rows are divided once, at the "
    "end).": lambda n: 1,
    "There are 3 iterations, whatever `iterations` is.": lambda n: 3,
    "There are 10 iterations, whatever `iterations` is.": lambda n: 10,
    "There are 100 iterations or more (until nothing moves). As many as `iterations` says.": (
        lambda n: 300
    ),
    "There are twice as many iterations as `iterations` says.": lambda n: 2 * n,
}
ENDS = {
    "The rows sum to 1 / B: the factor B at the end is missing, as in the paper's algorithm before "
    "its last line.": lambda q: q / len(q),
    "Columns are divided once more at the end, so rows do not sum to 1.": _columns,
    "Assignments are made hard (argmax). They stay soft.": (
        lambda q: F.one_hot(q.argmax(1), q.shape[1]).double()
    ),
    "Assignments are rounded to 0 and 1.": lambda q: q.round(),
    "These are logarithms of the assignments. The assignments themselves are asked for.": (
        lambda q: q.log()
    ),
    "The result is multiplied by B; rows should sum to 1.": lambda q: q * len(q),
    "The result is transposed: a row is an image, (B, K).": lambda q: q.T,
    "A softmax is taken of the assignments at the end: one too many.": lambda q: q.softmax(1),
    "The prototypes' sums came back. The assignments are asked for, (B, K).": (
        lambda q: torch.Size((q.shape[1],))
    ),
}


def _mistakes() -> Table:
    table = {m: _balance(start=piece) for m, piece in BEGINNINGS.items()}
    table |= {m: _balance(steps=piece) for m, piece in STEPS.items()}
    table |= {m: _balance(rounds=piece) for m, piece in ROUNDS.items()}
    table |= {m: _balance(end=piece) for m, piece in ENDS.items()}
    return table | {
        f"Each row's own largest score is taken away before the exponential. {START}": _balance(
            start=lambda s, e: ((s - s.amax(1, keepdim=True)) / e).exp()
        ),
        "This is DINO's centering: the batch's mean is taken from the scores, and a softmax of "
        "each row follows. Here columns are divided by their sums.": (
            lambda s, e, n: ((s - s.mean(0)) / e).softmax(1)
        ),
        "The softmax is taken again in each round, of numbers that are shares already. The "
        "exponential comes once, at the start; then divide by sums.": _balance(
            start=lambda s, e: s / e, steps=(lambda q: q.softmax(0), lambda q: q.softmax(1))
        ),
        "The scores came back as they were.": lambda s, e, n: s,
    }


def _uneven(n: int, k: int) -> Tensor:
    """Scores in which one prototype is a favourite, and some images are surer than others."""
    return torch.randn(n, k) * (0.4 + torch.rand(n, 1)) + torch.linspace(1, -0.5, k)


@check("10.3", "Sinkhorn: all prototypes alike")
def check_10_3(sinkhorn):
    cases = [
        (_uneven(n, k), e, i) for n, k, e, i in ((6, 4, 0.7, 2), (5, 5, 0.4, 4), (7, 3, 1.6, 5))
    ]
    # By hand: exp is [[1, 1], [1, 3]], columns [[1/2, 1/4], [1/2, 3/4]], rows [[2/3, 1/3], ...].
    by_hand = (torch.tensor([[0.0, 0.0], [0.0, torch.tensor(3.0).log()]]), 1.0, 1)
    names = "(B, K)"
    what = "The matrix of assignments"
    compare(sinkhorn, [*cases, by_hand], _balance(), _mistakes(), names, what)
    got = call(sinkhorn, cases[0][0].clone().requires_grad_(), 0.7, 2)
    expect(
        not got.requires_grad,
        "The assignments carry a graph: gradients would flow into the target, and the loss could "
        "fall by moving it. They are a target: torch.no_grad(), or detach().",
    )
    # A column whose best is e^40 below the best of all: small, and no 0 in float32.
    large = torch.tensor([[9.0, 9.1, 1.0], [8.0, 1.0, 0.0], [9.45, 9.5, 1.0], [1.0, 0.0, 7.5]])
    got = call(sinkhorn, large, 0.05, 3)
    expect(
        torch.isfinite(got).all(),
        "Scores of 9 at an epsilon of 0.05 give nan or inf: exp(180) is too large for float32. "
        f"{START}",
    )
    expect(
        close(got, _balance()(large.double(), 0.05, 3)),
        "Large scores / epsilon come out wrong: something is clamped, or a small number stands in "
        "the divisions (F.normalize has an eps of 1e-12; a prototype's sum may be smaller). "
        f"{START}",
    )
    expect_dtype(sinkhorn, *cases[1])
    expect_any_device(sinkhorn, *cases[1])
