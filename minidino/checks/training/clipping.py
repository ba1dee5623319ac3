"""Exercise 7.2, clipping: tells apart a norm over all gradients, or of another kind, and factors
that are upside down or scale short gradients up.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from minidino.checks.core import Wrong, check, expect, expect_close, flat


def with_gradients(gradients: list[Tensor | None]) -> list[nn.Parameter]:
    parameters = []
    for i, g in enumerate(gradients):
        p = nn.Parameter(torch.full((2,) if g is None else g.shape, 7.0 + i))
        p.grad = None if g is None else g.clone()
        parameters.append(p)
    return parameters


def clip(answer: Callable, gradients: list[Tensor | None], max_norm: float) -> list[Tensor | None]:
    """What the answer makes of these gradients."""
    parameters = with_gradients(gradients)
    before = [p.detach().clone() for p in parameters]
    try:
        answer(parameters, max_norm)
    except (AttributeError, TypeError) as error:
        if "NoneType" not in str(error) or all(g is not None for g in gradients):
            raise
        raise Wrong(
            "Your function fails where a parameter has no gradient: p.grad is None for a frozen "
            "one. Pass those by."
        ) from None
    expect(
        all(torch.equal(p, b) for p, b in zip(parameters, before, strict=True)),
        "You clipped the weights. What is too long is the gradient, p.grad; the weights change "
        "only when the optimizer steps.",
    )
    expect(
        all((p.grad is None) == (g is None) for p, g in zip(parameters, gradients, strict=True)),
        "A parameter that had no gradient has one now, or the other way round. Only scale what is "
        "there.",
    )
    return [p.grad for p in parameters]


@check("7.2", "clipping, each on its own")
def check_7_2(clip_gradients):
    # By hand: the first has length 10 and becomes 5; the second has length 1 and stays.
    gradients = [torch.tensor([6.0, 8.0]), torch.tensor([0.6, 0.8])]
    judge_clipping(clip_gradients, gradients, 5.0)
    several = [torch.randn(4, 3), 30 * torch.randn(2, 5), 0.1 * torch.randn(6), 5 * torch.randn(7)]
    judge_clipping(clip_gradients, several, 3.0)
    judge_clipping(clip_gradients, [several[0], None, *several[1:]], 0.7)
    (zero,) = clip(clip_gradients, [torch.zeros(3)], 3.0)
    expect(
        not zero.isnan().any(),
        "A gradient of zeros becomes nan: 0 * (3 / 0). Scale only where the norm is above "
        "max_norm, or add 1e-6 to the norm that you divide by.",
    )
    expect_close(zero, torch.zeros(3), what="A gradient of zeros, clipped")


def judge_clipping(answer: Callable, given: list[Tensor | None], max_norm: float) -> None:
    got = flat(g for g in clip(answer, given, max_norm) if g is not None)
    gradients = [g.double() for g in given if g is not None]
    lengths = [g.pow(2).sum().sqrt() for g in gradients]

    def scaled(measures: Iterable[Tensor], shrink_only: bool = True) -> Tensor:
        factors = [max_norm / m for m in measures]
        factors = [torch.clamp(f, max=1.0) if shrink_only else f for f in factors]
        return flat(g * f for g, f in zip(gradients, factors, strict=True))

    total = flat(gradients).pow(2).sum().sqrt()
    largest = torch.stack(lengths).max()
    n = len(gradients)
    first_none = next((i for i, g in enumerate(given) if g is None), n)
    mistakes = {
        "The gradients are as they were. Write into p.grad: p.grad.mul_(factor), or p.grad = "
        "p.grad * factor; a new name for the product changes nothing.": flat(gradients),
        "You clipped by the global norm, that of all gradients together, and the short ones were "
        "shrunk too. Here it is per tensor: each gradient has a norm of its own.": scaled(
            [total] * n
        ),
        "You scaled all gradients by the longest one's norm. Each has a norm of its own.": scaled(
            [largest] * n
        ),
        "You scaled small gradients up: every one now has length max_norm. Clipping only ever "
        "shrinks; a factor above 1 becomes 1.": scaled(lengths, shrink_only=False),
        "You cut each number off at max_norm. That changes where the gradient points; scale the "
        "whole tensor by one factor.": flat(g.clamp(-max_norm, max_norm) for g in gradients),
        "You divided by the squared norm. The root is missing: the norm is the root of the sum of "
        "squares.": scaled([x**2 for x in lengths]),
        "Your norm is the root of the *mean* of squares. The norm is the root of the sum; it does "
        "not know how many numbers there are.": scaled([g.pow(2).mean().sqrt() for g in gradients]),
        "Your norm is the sum of absolute values. DINO clips by the Euclidean one: the root of the "
        "sum of squares.": scaled([g.abs().sum() for g in gradients]),
        "Your norm is the largest absolute value. DINO clips by the Euclidean one: the root of the "
        "sum of squares.": scaled([g.abs().max() for g in gradients]),
        "You normalised the long gradients to length 1. They keep length max_norm: the factor is "
        "max_norm / norm.": flat(
            g / x if x > max_norm else g for g, x in zip(gradients, lengths, strict=True)
        ),
        "You clipped row by row. A tensor's gradient has one norm, over all its dimensions.": flat(
            g * (max_norm / g.norm(dim=-1, keepdim=True)).clamp(max=1.0) for g in gradients
        ),
        "Your factor is upside down: it is max_norm / norm, below 1 where the norm is above "
        "max_norm.": flat(
            g * x / max_norm if x > max_norm else g for g, x in zip(gradients, lengths, strict=True)
        ),
        "Your factor is upside down: norm / max_norm shrinks the short gradients and leaves the "
        "long ones. It is max_norm / norm, and never above 1.": flat(
            g * min(1.0, x / max_norm) for g, x in zip(gradients, lengths, strict=True)
        ),
        "You clip to 3 whatever max_norm is. Use the argument.": flat(
            g * min(1.0, 3.0 / x) for g, x in zip(gradients, lengths, strict=True)
        ),
        "You stopped at the first parameter without a gradient: return and break leave the loop. "
        "Pass it by, with continue or an if.": flat(
            g * min(1.0, max_norm / x) if i < first_none else g
            for i, (g, x) in enumerate(zip(gradients, lengths, strict=True))
        ),
        "You set long gradients to zero. They are shortened to max_norm and keep their "
        "direction.": flat(
            g * 0 if x > max_norm else g for g, x in zip(gradients, lengths, strict=True)
        ),
    }
    expect_close(got, scaled(lengths), mistakes, what="The clipped gradients, in one line")
