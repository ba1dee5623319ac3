"""Exercise 4.2, a score is a cosine: tells apart what is not normalised, or along another dimension
or by another length, and gradients that do not arrive.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.core import (
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_gradient,
)


@check("4.2", "a score is a cosine")
def check_4_2(prototype_scores):
    # By hand: (3, 4) has length 5, so its cosine with the two axes is 3/5 and 4/5.
    x, v = torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 7.0], [-1.0, 0.0]])
    got = call(prototype_scores, x, v)
    expect_close(
        got,
        torch.tensor([[0.6, 0.8, -0.6]]),
        _score_mistakes(x, v),
        names="(rows, K)",
        what="prototype_scores([[3, 4]], [[2, 0], [0, 7], [-1, 0]])",
    )
    x = torch.randn(5, 3) * torch.linspace(0.5, 4, 5)[:, None]
    v = torch.randn(4, 3) * torch.linspace(3, 0.3, 4)[:, None]
    wants, mistakes = F.cosine_similarity(x[:, None], v, dim=-1), _score_mistakes(x, v)
    x, v = x.requires_grad_(), v.requires_grad_()
    got = call(prototype_scores, x, v)
    expect_close(got, wants, mistakes, names="(rows, K)")
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
            f"The length of {name} gets a gradient: you detached the norm. Let the gradient flow "
            "through the division, so that only the direction is learned.",
        )
    expect_any_device(prototype_scores, x.detach(), v.detach())


def _score_mistakes(x: Tensor, v: Tensor) -> dict[str, Tensor]:
    x, v = x.double(), v.double()
    x_length, v_length = x.norm(dim=1, keepdim=True), v.norm(dim=1, keepdim=True)
    xn, vn = x / x_length, v / v_length
    x0, v0 = F.normalize(x, dim=0), F.normalize(v, dim=0)
    x1, v1 = F.normalize(x, p=1, dim=1), F.normalize(v, p=1, dim=1)
    return {
        "Neither x nor the prototypes are normalised, so scores have no bound. Both get length 1: "
        "then a score is a cosine, between -1 and 1.": x @ v.T,
        "The bottleneck x is not L2-normalised: a network can then raise all its scores by making "
        "x longer, which undoes the temperature. Divide each row by its length.": x @ vn.T,
        "The prototypes are not normalised, so a long one wins for every image. Each row of v "
        "gets length 1.": xn @ v.T,
        "You normalised the prototypes along dim 0, over all K. A prototype is a row of v: its "
        "length is along dim=1.": xn @ v0.T,
        "You normalised x along dim 0, over the batch. A row is one view, and has a length of its "
        "own: dim=-1.": x0 @ vn.T,
        "You normalised both along dim 0. Rows are the vectors here: normalise along the last "
        "dimension.": x0 @ v0.T,
        "You divided by the length of the whole matrix. Each row has a length of its own: dim=-1, "
        "keepdim=True.": (x / x.norm()) @ (v / v.norm()).T,
        "You divided the prototypes by the length of the whole matrix. Each row of v has a length "
        "of its own: dim=-1, keepdim=True.": xn @ (v / v.norm()).T,
        "You normalised the scores. It is the two vectors that get length 1, before the "
        "product.": F.normalize(x @ v.T, dim=-1),
        "You divided by the sum of the entries' sizes (the L1 norm). Length is the L2 norm.": x1
        @ v1.T,
        "You divided by the squared length. Length is the square root of the sum of squares.": (
            (xn / x_length) @ (vn / v_length).T
        ),
        "You returned probabilities. The head returns scores; centering and the softmax are the "
        "loss's.": (xn @ vn.T).softmax(-1),
        "Rows and columns are swapped: a row belongs to a view, a column to a prototype.": vn
        @ xn.T,
    }
