"""Exercise 4.4, the loss over the pairs: tells apart wrong pairs, means, temperatures, centers and
softmaxes, gradients into the teacher, and logarithms of 0.
"""

import math

import torch

from minidino.checks.compare import compare, expect_everywhere
from minidino.checks.core import (
    Wrong,
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_dtype,
    expect_gradient,
)
from minidino.checks.head_and_loss.common import dino, expect_loss, pair_mistakes, value_mistakes
from minidino.checks.mistakes import CAPPED, CEILING, LOG_SOFTMAX, with_piece


def _case(views, batch, k, teacher_temp, student_temp, n_global=2, scale=1.0):
    """Arguments of the loss; n_global is not named where it is 2."""
    s, t = torch.randn(views * batch, k), torch.randn(n_global * batch, k)
    case = (scale * s, t, torch.randn(1, k), teacher_temp, student_temp)
    return case if n_global == 2 else (*case, n_global)


@check("4.4", "the loss over the pairs")
def check_4_4(plain_loss):
    # By hand: temperatures 1/2 and 1/4 make q = (3/4, 1/4), (1/2, 1/2) and
    # p = (1/10, 9/10), (4/5, 1/5), (1/2, 1/2). Of the six pairs q0 p0 and q1 p1 do not count.
    log = math.log
    t = torch.tensor([[0.5 * log(3), 0.0], [0.0, 0.0]])
    s = torch.tensor([[0.0, 0.25 * log(9)], [0.25 * log(4), 0.0], [0.0, 0.0]])
    by_hand = (s, t, torch.zeros(1, 2), 0.5, 0.25)
    h01, h10 = -(0.75 * log(0.8) + 0.25 * log(0.2)), -(0.5 * log(0.1) + 0.5 * log(0.9))
    right = dino()
    assert close(right(*by_hand), torch.tensor((h01 + log(2) + h10 + log(2)) / 4))

    cases = [_case(10, 4, 7, 0.4, 0.25), _case(5, 6, 9, 0.3, 0.35), _case(7, 4, 5, 0.25, 0.6)]
    written = "is written into your function. The views follow from the shapes and n_global."
    expect_everywhere(
        plain_loss,
        [*cases, _case(10, 6, 7, 0.3, 0.2), _case(2, 4, 5, 0.3, 0.2)],
        right,
        {
            f"Your loss is right for ten views and wrong for other numbers of them: 8, 10 or 18 "
            f"{written}": lambda s, t, *_: len(s) == 5 * len(t),
            "Without local views your loss is wrong, and right with them. A mean of nothing is "
            "nan: divide all pairs' sum once, at the end.": lambda s, t, *_: len(s) > len(t),
            f"Your loss is right for four images and wrong otherwise: the batch {written}": (
                lambda s, t, *_: len(t) == 8
            ),
            f"Your loss is right for seven prototypes and wrong otherwise: K {written}": (
                lambda s, t, *_: s.shape[1] == 7
            ),
        },
    )
    compare(plain_loss, cases, right, pair_mistakes() | value_mistakes(), "a scalar", "The loss")
    compare(plain_loss, [by_hand, _case(2, 4, 5, 0.3, 0.2)], right, what="The loss of few views")

    s, t, c, tt, ts = cases[0]
    expect_loss(call(plain_loss, *cases[0]))
    source, target = s.clone().requires_grad_(), t.clone().requires_grad_()
    got = call(plain_loss, source, target, c, tt, ts)
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (leak,) = torch.autograd.grad(got, target, allow_unused=True, retain_graph=True)
    expect(
        leak is None or not leak.any(),
        "Gradients flow into the teacher. Its target is a given: wrap it in torch.no_grad(), or "
        ".detach() it. Otherwise the teacher is trained to be easy to predict.",
    )
    (gradient,) = torch.autograd.grad(got, source)
    wide = s.double().requires_grad_()
    (true,) = torch.autograd.grad(right(wide, t.double(), c.double(), tt, ts), wide)
    expect(
        close(gradient, true, 1e-3 * true.abs().max().item()),
        "The value is right and the gradient is not: a part of the student's side is detached, or "
        "computed under torch.no_grad().",
    )
    for case in (_case(4, 2, 6, 0.4, 0.3, 1), _case(6, 4, 5, 0.3, 0.2, 3)):
        said = (
            f"With two global views your loss is right; with n_global = {case[-1]} it is not. Is a "
            "2 written in, or only the pair (0, 1), (1, 0) taken of the global views?"
        )
        try:
            got = call(plain_loss, *case)
            expect(close(torch.as_tensor(got), right(*case)), said)
        except (RuntimeError, IndexError, ValueError) as error:
            raise Wrong(f"{said} It raises {type(error).__name__}: {error}") from None

    s, t, c, tt, ts = _case(5, 4, 6, 0.01, 0.1)
    expect(
        torch.isfinite(call(plain_loss, s, 20 * t, c, tt, ts)),
        "Teacher logits of 20 at a temperature of 0.01 give nan: exp(2000) is beyond float32. "
        "torch.softmax takes each row's largest away first; it cancels in the quotient.",
    )
    far = [_case(5, 4, 6, 0.4, 0.1, scale=30), _case(4, 6, 5, 0.3, 0.1, scale=20)]
    expect(
        all(torch.isfinite(call(plain_loss, *case)) for case in far),
        "Where the student gives a prototype almost nothing, your loss is inf or nan: "
        "log(softmax(x)) takes the log of 0, and log(sum(exp(x))) overflows. Use log_softmax, "
        "which never leaves the logarithm.",
    )
    ceilings = {m: f for m, f in LOG_SOFTMAX.items() if m.startswith(CEILING)}
    s, *rest = far[0]
    near = call(plain_loss, s / 3, *rest)  # a third as wrong
    expect(call(plain_loss, *far[0]) > 2 * near, CAPPED)
    compare(
        plain_loss,
        far,
        right,
        with_piece(lambda piece: dino(predict=lambda s, c, temp: piece(s, temp)), ceilings),
        what="With large scores the loss",
    )
    expect_dtype(plain_loss, *cases[1], both=True)
    expect_any_device(plain_loss, *cases[1])
