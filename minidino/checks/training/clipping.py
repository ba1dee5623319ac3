"""Exercise 7.2, clipping: tells apart a norm over all gradients, or of another kind, and factors
that are upside down or scale short gradients up.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, check, expect, flat

Gradients = list[Tensor | None]


def with_gradients(gradients: Gradients) -> list[nn.Parameter]:
    parameters = []
    for i, g in enumerate(gradients):
        p = nn.Parameter(torch.full((2,) if g is None else g.shape, 7.0 + i))
        p.grad = None if g is None else g.clone()
        parameters.append(p)
    return parameters


def clip(answer: Callable, gradients: Gradients, max_norm: float) -> Tensor:
    """What the answer makes of these gradients, in one row."""
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
    had = [p.grad is not None for p in parameters]
    expect(
        had == [g is not None for g in gradients],
        "A parameter that had no gradient has one now, or the other way round. Only scale what is "
        "there.",
    )
    got = flat(p.grad for p in parameters if p.grad is not None)
    zeros = flat(torch.full_like(g, not g.any()) for g in gradients if g is not None)
    expect(
        not got[zeros == 1].isnan().any(),
        "A gradient of zeros becomes nan: 0 * (3 / 0). Scale only where the norm is above "
        "max_norm, or add 1e-6 to the norm that you divide by.",
    )
    return got


def norm(g: Tensor) -> Tensor:
    return g.pow(2).sum().sqrt()


def shrink(length: Tensor, max_norm: float) -> Tensor:
    return (max_norm / length).clamp(max=1.0)


def clipped(measure: Callable = norm, factor: Callable = shrink, scale: Callable = torch.mul):
    """The rule, each gradient on its own, of a measure of length and a factor that follows."""

    def rule(gradients: Gradients, max_norm: float) -> Tensor:
        wide = [g.double() for g in gradients if g is not None]
        return flat(scale(g, factor(measure(g), max_norm)).nan_to_num() for g in wide)

    return rule


def together(measure: Callable[[list[Tensor]], Tensor]) -> Callable:
    """All gradients by one measure of all lengths."""

    def rule(gradients: Gradients, max_norm: float) -> Tensor:
        wide = [g.double() for g in gradients if g is not None]
        length = measure([norm(g) for g in wide])
        return flat(g * shrink(length, max_norm) for g in wide)

    return rule


def some(which: Callable[[int, Tensor, Gradients], bool]) -> Callable:
    """Only some of the gradients are clipped."""

    def rule(gradients: Gradients, max_norm: float) -> Tensor:
        return flat(
            g.double() * (shrink(norm(g), max_norm) if which(i, g, gradients) else 1)
            for i, g in enumerate(gradients)
            if g is not None
        )

    return rule


def _first_none(gradients: Gradients) -> int:
    return next((i for i, g in enumerate(gradients) if g is None), len(gradients))


def _until_short(gradients: Gradients, max_norm: float) -> Tensor:
    short = [i for i, g in enumerate(gradients) if g is not None and norm(g) <= max_norm]
    return some(lambda i, g, all: i < min(short, default=len(all)))(gradients, max_norm)


def _of_weights(gradients: Gradients, max_norm: float) -> Tensor:
    parameters = with_gradients(gradients)
    return flat(
        p.grad.double() * shrink(norm(p.detach().double()), max_norm)
        for p in parameters
        if p.grad is not None
    )


def _in_python(gradients: Gradients, max_norm: float) -> Tensor:
    for g in gradients:
        if g is not None:
            max_norm / norm(g).item()  # an exception at 0
    return clipped()(gradients, max_norm)


def _where_long(long: Callable, short: Callable = lambda x, m: torch.ones(())) -> Callable:
    return lambda x, m: long(x, m) if (x > m).all() else short(x, m)


EUCLID = "DINO clips by the Euclidean norm: the root of the sum of squares, over all dimensions."
ONE = "A tensor's gradient has one norm, over all its dimensions."
SIZES = "The norm is the root of the sum; it does not know how many numbers there are."
MEASURES = {
    "You divided by the squared norm. The root is missing: the norm is the root of the sum of "
    "squares.": lambda g: g.pow(2).sum(),
    f"Your norm is the root of the *mean* of squares. {SIZES}": lambda g: g.pow(2).mean().sqrt(),
    f"Your norm is the mean of squares. {EUCLID}": lambda g: g.pow(2).mean(),
    f"Your norm is the mean of absolute values. {EUCLID}": lambda g: g.abs().mean(),
    f"Your norm is the sum of absolute values. {EUCLID}": lambda g: g.abs().sum(),
    f"Your norm is the largest absolute value. {EUCLID}": lambda g: g.abs().max(),
    f"Your norm is the largest number. {EUCLID}": lambda g: g.max(),
    f"Your norm is the standard deviation. {EUCLID}": lambda g: g.std(correction=0),
    f"Your norm is the root of the sum, without squares, or the sum itself. {EUCLID}": (
        lambda g: g.sum()
    ),
    f"Your norm is the absolute value of the sum. {EUCLID}": lambda g: g.sum().abs(),
    f"Your norm is divided by the number of numbers. {SIZES}": lambda g: norm(g) / g.numel(),
    f"You clipped row by row (the last dimension). {ONE}": (
        lambda g: g.norm(dim=-1, keepdim=True) if g.ndim else norm(g)
    ),
    f"You clipped column by column (dim 0). {ONE}": (
        lambda g: g.norm(dim=0, keepdim=True) if g.ndim else norm(g)
    ),
    f"You clipped each slice along dim 0 on its own. {ONE}": (
        lambda g: g.flatten(1).norm(dim=1).view(-1, *[1] * (g.ndim - 1)) if g.ndim > 1 else norm(g)
    ),
    f"Your norm is over the first two dimensions; a kernel has four. {ONE}": (
        lambda g: g.norm(dim=(0, 1), keepdim=True) if g.ndim > 1 else norm(g)
    ),
    f"Your norm is over the last two dimensions (matrix_norm); a kernel has four. {ONE}": (
        lambda g: torch.linalg.matrix_norm(g, keepdim=True) if g.ndim > 1 else norm(g)
    ),
    f"Your norm is the spectral one, the largest singular value (ord=2 of a matrix). {EUCLID}": (
        lambda g: torch.linalg.matrix_norm(g, 2, keepdim=True) if g.ndim > 1 else norm(g)
    ),
    f"Your norm is the spectral one for matrices (ord=2). {EUCLID}": (
        lambda g: torch.linalg.matrix_norm(g, 2) if g.ndim == 2 else norm(g)
    ),
    f"Your norm is the nuclear one, the sum of singular values. {EUCLID}": (
        lambda g: torch.linalg.matrix_norm(g, "nuc") if g.ndim == 2 else norm(g)
    ),
    f"Your norm is that of p = 3 or of another power. {EUCLID}": lambda g: g.norm(p=3),
    f"Your norm is that of the first row. {ONE}": (lambda g: norm(g[0]) if g.ndim > 1 else norm(g)),
    **{
        f"You add {e:g} to the norm, and gradients come out too short. 1e-6 is enough against a "
        "norm of 0.": lambda g, e=e: norm(g) + e
        for e in (1e-3, 1e-2, 1e-1, 1.0)
    },
}
SHRINKS = "Clipping only ever shrinks; a factor above 1 becomes 1."
FACTORS = {
    f"You scaled small gradients up: every one now has length max_norm. {SHRINKS}": (
        lambda x, m: m / x
    ),
    f"You scaled the short ones up to max_norm and left the long ones: the condition is turned "
    f"round. {SHRINKS}": lambda x, m: (m / x).clamp(min=1.0),
    "You normalised the long gradients to length 1. They keep length max_norm: the factor is "
    "max_norm / norm.": _where_long(lambda x, m: 1 / x),
    "You normalised every gradient to length 1. Only long ones are shortened, to max_norm.": (
        lambda x, m: 1 / x
    ),
    "Your factor is upside down: norm / max_norm shrinks the short gradients and leaves the long "
    "ones. It is max_norm / norm, and never above 1.": lambda x, m: (x / m).clamp(max=1.0),
    "Your factor is norm / max_norm, for every gradient. It is max_norm / norm, and never above "
    "1.": lambda x, m: x / m,
    "Your factor is upside down, and long gradients grow: it is max_norm / norm, below 1 where the "
    "norm is above max_norm.": lambda x, m: (x / m).clamp(min=1.0),
    "You multiplied long gradients by max_norm. The factor is max_norm / norm.": _where_long(
        lambda x, m: torch.as_tensor(m)
    ),
    "You divided long gradients by max_norm. The factor is max_norm / norm.": _where_long(
        lambda x, m: torch.as_tensor(1 / m)
    ),
    "You set long gradients to zero. They are shortened to max_norm and keep their direction.": (
        _where_long(lambda x, m: torch.zeros(()))
    ),
    "You took the root of the factor (or of the norm it is made of). The factor is max_norm / "
    "norm.": lambda x, m: shrink(x, m).sqrt(),
    "You scaled twice: the factor is squared.": lambda x, m: shrink(x, m) ** 2,
    "Your factor is max_norm / (norm + max_norm), which shortens short gradients too.": (
        lambda x, m: m / (x + m)
    ),
    **{
        f"You clip to {c:g} whatever max_norm is. Use the argument.": (
            lambda x, m, c=c: shrink(x, c)
        )
        for c in (0.3, 1.0, 2.0, 3.0, 10.0)
    },
}  # fmt: skip
OTHERS = {
    "The gradients are as they were. Write into p.grad: p.grad.mul_(factor), or p.grad = p.grad * "
    "factor; a new name for the product changes nothing.": some(lambda i, g, all: False),
    "You clipped by the global norm, that of all gradients together, and the short ones were "
    "shrunk too. Here it is per tensor: each gradient has a norm of its own.": together(
        lambda x: norm(torch.stack(x))
    ),
    "You scaled all gradients by the longest one's norm. Each has a norm of its own.": together(
        lambda x: torch.stack(x).max()
    ),
    "You scaled all gradients by the sum of all norms. Each has a norm of its own.": together(sum),
    "You scaled all gradients by the mean of all norms. Each has a norm of its own.": together(
        lambda x: torch.stack(x).mean()
    ),
    "You scaled all gradients by the first one's norm. Each has a norm of its own.": together(
        lambda x: x[0]
    ),
    "You scaled all gradients by the last one's norm: the factor is made outside the loop. Each "
    "has a norm of its own.": together(lambda x: x[-1]),
    "You cut each number off at max_norm. That changes where the gradient points; scale the whole "
    "tensor by one factor.": clipped(
        factor=lambda x, m: m, scale=lambda g, m: g.clamp(-m, m)
    ),
    "You cut each number off at max_norm from above alone. Scale the whole tensor by one factor.": (
        clipped(factor=lambda x, m: m, scale=lambda g, m: g.clamp(max=m))
    ),
    "You took max_norm away from each number of a long gradient. Scale the tensor by a factor.": (
        clipped(factor=lambda x, m: m if x > m else 0.0, scale=lambda g, m: g - m)
    ),
    "You stopped at the first parameter without a gradient: return and break leave the loop. Pass "
    "it by, with continue or an if.": some(lambda i, g, all: i < _first_none(all)),
    "You stopped at the first gradient that is short enough: return and break leave the loop. Pass "
    "it by, with continue or an if.": _until_short,
    "You leave the gradients of one dimension alone. Clipping is for all of them: a bias's too.": (
        some(lambda i, g, all: g.ndim != 1)
    ),
    "You leave the gradients of one dimension, and of none, alone. Clipping is for all of them.": (
        some(lambda i, g, all: g.ndim > 1)
    ),
    "Only matrices are clipped. Clipping is for gradients of any number of dimensions.": some(
        lambda i, g, all: g.ndim == 2
    ),
    "Only the first gradient is clipped. Is a return or break inside the loop?": some(
        lambda i, g, all: i == 0
    ),
    "Only the last gradient is clipped. Does a line stand below the loop that belongs into it?": (
        some(lambda i, g, all: i == len(all) - 1)
    ),
    "You took the norm of the weights, p. It is the gradient, p.grad, that is measured.": (
        _of_weights
    ),
    "A gradient of zeros ends in a division by 0, with Python's numbers. Scale only where the norm "
    "is above max_norm, or add 1e-6 to the norm.": _in_python,
}  # fmt: skip


@check("7.2", "clipping, each on its own")
def check_7_2(clip_gradients):
    def some_gradients() -> list[Tensor]:
        sizes = (4, 3), (2, 5), (6,), (7,), (3, 2, 2, 4), (2, 3, 4), ()
        scales = 1, 30, 0.1, 5, 2, 0.05, 4
        return [torch.randn(s) * x + 0.02 for s, x in zip(sizes, scales, strict=True)]

    a, b, c = some_gradients(), some_gradients(), some_gradients()
    cases = [
        # By hand: the first has length 10 and becomes 5; the second has length 1 and stays.
        ([torch.tensor([6.0, 8.0]), torch.tensor([0.6, 0.8])], 5.0),
        (a, 3.0),
        ([*b[:4], None, *b[4:]], 0.7),
        ([*c[:3], torch.zeros(3), *c[3:], 20 * c[0]], 1.8),
    ]
    mistakes = (
        {message: clipped(measure) for message, measure in MEASURES.items()}
        | {message: clipped(factor=factor) for message, factor in FACTORS.items()}
        | OTHERS
    )

    def answer(gradients: Gradients, max_norm: float) -> Tensor:
        return clip(clip_gradients, gradients, max_norm)

    compare(answer, cases, clipped(), mistakes, what="The row of all clipped gradients")
