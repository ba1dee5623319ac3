"""Exercise 4.2, a score is a cosine: tells apart what is not normalised, or along another dimension
or by another length, and gradients that do not arrive.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import (
    call,
    check,
    expect,
    expect_any_device,
    expect_dtype,
    expect_gradient,
)
from minidino.checks.mistakes import UNIT, Table


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _right(x: Tensor, v: Tensor) -> Tensor:
    return _unit(x) @ _unit(v).T


def _after(change) -> object:
    return lambda x, v: change(_right(x, v))


def _mistakes() -> Table:
    units = {m: f for m, f in UNIT.items() if not m.startswith("The rows are as they came")}
    return {
        "Neither x nor the prototypes are normalised, so scores have no bound. Both get length 1: "
        "then a score is a cosine, between -1 and 1.": lambda x, v: x @ v.T,
        "The bottleneck x is not L2-normalised: a network can then raise all its scores by making "
        "x longer, which undoes the temperature. Divide each row by its length.": (
            lambda x, v: x @ _unit(v).T
        ),
        "The prototypes are not normalised, so a long one wins for every image. Each row of v "
        "gets length 1.": lambda x, v: _unit(x) @ v.T,
        "You normalised the prototypes along dim 0, over all K. A prototype is a row of v: its "
        "length is along dim=-1.": lambda x, v: _unit(x) @ (v / v.norm(dim=0)).T,
        "You normalised x along dim 0, over the batch. A row is one view, and has a length of its "
        "own: dim=-1.": lambda x, v: (x / x.norm(dim=0)) @ _unit(v).T,
        "You normalised both along dim 0. Rows are the vectors here: normalise along the last "
        "dimension.": lambda x, v: (x / x.norm(dim=0)) @ (v / v.norm(dim=0)).T,
        "You normalised the scores. It is the two vectors that get length 1, before the "
        "product.": lambda x, v: _unit(x @ v.T),
        "You normalised the scores, once more. The product of two vectors of length 1 is a "
        "cosine already.": _after(_unit),
        "You normalised the scores along the rows (dim 0). It is the two vectors that get length "
        "1, before the product.": lambda x, v: F.normalize(x @ v.T, dim=0),
        "You divided x by its rows' standard deviation. Length is the root of the sum of "
        "squares.": lambda x, v: x / x.std(-1, keepdim=True) @ _unit(v).T,
        "You divided the prototypes by their rows' standard deviation. Length is the root of the "
        "sum of squares.": lambda x, v: _unit(x) @ (v / v.std(-1, keepdim=True)).T,
        "You divided x and the prototypes by their rows' standard deviations. Length is the "
        "root of the sum of squares.": lambda x, v: (
            x / x.std(-1, keepdim=True) @ (v / v.std(-1, keepdim=True)).T
        ),
        "You divided by the length of x twice, and not by the prototypes'.": (
            lambda x, v: x @ v.T / x.square().sum(-1, keepdim=True)
        ),
        "You divided by the prototypes' length twice, and not by that of x.": (
            lambda x, v: x @ v.T / v.square().sum(-1)
        ),
        "You added the two lengths; a cosine is the product over the *product* of the lengths.": (
            lambda x, v: x @ v.T / (x.norm(dim=-1, keepdim=True) + v.norm(dim=-1))
        ),
        "You held the raw products between -1 and 1 (a clamp), and all beyond become equal. "
        "Divide the vectors by their lengths.": lambda x, v: (x @ v.T).clamp(-1, 1),
        "tanh brings the raw products between -1 and 1, but is no cosine: it depends on lengths. "
        "Divide the vectors by their lengths.": lambda x, v: (x @ v.T).tanh(),
        "A sigmoid of the products is no cosine. Divide the vectors by their lengths.": (
            lambda x, v: (x @ v.T).sigmoid()
        ),
        "You returned probabilities. The head returns scores; centering and the softmax are the "
        "loss's.": _after(lambda c: c.softmax(-1)),
        "You returned probabilities, of scores that are not normalised. The head returns cosines; "
        "the softmax is the loss's.": lambda x, v: (x @ v.T).softmax(-1),
        "You returned logarithms of probabilities. The head returns scores.": _after(
            lambda c: c.log_softmax(-1)
        ),
        "You divided by a temperature, 0.1, already. The head returns scores, and the loss "
        "divides.": _after(lambda c: c / 0.1),
        "You divided by a temperature, 0.04, already. The head returns scores, and the loss "
        "divides.": _after(lambda c: c / 0.04),
        "You returned the angle; its cosine is asked for.": _after(torch.arccos),
        "You returned the angle in degrees; its cosine is asked for.": _after(
            lambda c: torch.rad2deg(torch.arccos(c))
        ),
        "This is a distance, 1 - cosine: the nearest prototype has the lowest. The cosine itself "
        "is asked for.": _after(lambda c: 1 - c),
        "This is (1 + cosine) / 2, between 0 and 1. The cosine itself is asked for.": _after(
            lambda c: (1 + c) / 2
        ),
        "This is the distance of the two unit vectors. Their product is asked for.": _after(
            lambda c: (2 - 2 * c).sqrt()
        ),
        "This is the negative distance of the two unit vectors. Their product is asked for.": (
            _after(lambda c: -(2 - 2 * c).sqrt())
        ),
        "This is the squared distance of the two unit vectors. Their product is asked for.": (
            _after(lambda c: 2 - 2 * c)
        ),
        "This is the negative squared distance of the two unit vectors. Their product is asked "
        "for.": _after(lambda c: 2 * c - 2),
        "This is the distance of x and the prototypes. The product of unit vectors is asked for.": (
            lambda x, v: torch.cdist(x, v)
        ),
        "You divided the cosine by sqrt(d), as attention does with its scores. A cosine is "
        "between -1 and 1 as it is.": lambda x, v: _right(x, v) / x.shape[1] ** 0.5,
        "You divided the products by sqrt(d), as attention does. Divide by the vectors' lengths.": (
            lambda x, v: x @ v.T / x.shape[1] ** 0.5
        ),
        "You divided x, or the prototypes, by the root of the *mean* of squares; the length is the "
        "root of their sum.": lambda x, v: _right(x, v) * x.shape[1] ** 0.5,
        "You divided the cosine by d. A cosine is the sum of the products, not their mean.": (
            lambda x, v: _right(x, v) / x.shape[1]
        ),
        "You divided the prototypes by their mean length. Each has a length of its own.": (
            lambda x, v: _unit(x) @ (v / v.norm(dim=-1).mean()).T
        ),
        "You divided x by its rows' mean length. Each row has a length of its own.": (
            lambda x, v: (x / x.norm(dim=-1).mean()) @ _unit(v).T
        ),
        "You divided x and the prototypes by their mean lengths. Each row has a length of its "
        "own.": lambda x, v: (x / x.norm(dim=-1).mean()) @ (v / v.norm(dim=-1).mean()).T,
        "Rows and columns are swapped: a row belongs to a view, a column to a prototype.": (
            lambda x, v: _right(x, v).T
        ),
        "`x * v`, and F.cosine_similarity(x, v), go through both at once, row i with row i. Every "
        "row of x meets every prototype: x @ v.T, or x[:, None] with v[None].": (
            lambda x, v: F.cosine_similarity(x, v, dim=-1)
        ),
        "`@` wants (rows, d) and (d, K). The prototypes are rows, (K, d): transpose them, v.T.": (
            lambda x, v: _unit(x) @ _unit(v)
        ),
        "x is transposed, where the prototypes are to be: (rows, d) @ (d, K) is x @ v.T.": (
            lambda x, v: _unit(x).T @ _unit(v)
        ),
        "The sum over the d entries is missing: a product of two vectors is one number.": (
            lambda x, v: _unit(x)[:, None] * _unit(v)
        ),
        "This is the largest score of each row. All K are asked for.": _after(lambda c: c.amax(-1)),
        "This is the number of the nearest prototype. The scores are asked for.": _after(
            lambda c: c.argmax(-1)
        ),
        **{
            f"{m} (Of x and of the prototypes.)": lambda x, v, f=f: f(x) @ f(v).T
            for m, f in units.items()
            if not m.startswith(("You normalised the columns", "1 is added"))
        },
        **{
            f"{m} (Of x.)": lambda x, v, f=f: f(x) @ _unit(v).T
            for m, f in units.items()
            if not m.startswith(("You normalised the columns", "You divided by the root of"))
        },
        **{
            f"{m} (Of the prototypes.)": lambda x, v, f=f: _unit(x) @ f(v).T
            for m, f in units.items()
            if not m.startswith(("You normalised the columns", "You divided by the root of"))
        },
        **{
            f"A number ({eps:g}) is added to the length, or holds it from below: it shortens short "
            "vectors. Divide by the length as it is, whatever it is.": (
                lambda x, v, eps=eps: F.normalize(x, dim=-1, eps=eps) @ F.normalize(v, eps=eps).T
            )
            for eps in (0.5, 1.0)
        },
    }


@check("4.2", "a score is a cosine")
def check_4_2(prototype_scores):
    # By hand: (3, 4) has length 5, so its cosine with the two axes is 3/5 and 4/5.
    x, v = torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 7.0], [-1.0, 0.0]])
    cases = [(x, v)]
    for rows, k, d in ((5, 4, 3), (7, 2, 6)):
        lengths = torch.linspace(0.3, 4, rows)[:, None], torch.linspace(3, 0.2, k)[:, None]
        cases.append((torch.randn(rows, d) * lengths[0], torch.randn(k, d) * lengths[1]))
    compare(prototype_scores, cases, _right, _mistakes(), names="(rows, K)")
    tiny = [(3e-6 * x, 2e-6 * v) for x, v in cases[1:]]
    for case in tiny:
        expect(
            bool((call(prototype_scores, *case) - _right(*case)).abs().max() < 1e-3),
            "Short vectors, of length 1e-5, do not get length 1: a small number is added to the "
            "length, or under its root, or holds it from below. Divide by the length as it is, as "
            "F.normalize does; only 0 cannot be divided by.",
        )
    for given in cases[1:]:
        x, v = (t.clone().requires_grad_() for t in given)
        got = call(prototype_scores, x, v)
        expect_gradient(got, x, "No gradient reaches x, so the backbone cannot learn.")
        expect_gradient(
            got,
            v,
            "No gradient reaches the prototypes. Only their length is fixed; their direction is "
            "learned, so do not detach them.",
        )
        for vectors, name in ((v, "a prototype"), (x, "the bottleneck x")):
            (gradient,) = torch.autograd.grad(got.sum(), vectors, retain_graph=True)
            expect(
                (gradient * vectors).sum(1).abs().max() < 1e-4,
                f"The length of {name} gets a gradient: you detached the norm. Let the gradient "
                "flow through the division, so that only the direction is learned.",
            )
    expect_dtype(prototype_scores, *cases[1], both=True)
    expect_any_device(prototype_scores, *cases[1])
