"""Exercise 5.2, the momentum of a half-life: tells apart the share of the student, a time constant,
the power in the place of the root, and approximations.
"""

import math

import torch

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect

HALF = "Exact is momentum ** steps = 0.5, whose root is 0.5 ** (1 / steps)."
MISTAKES = {
    "This is the share that the student gets in each step. The momentum is the other one, the "
    "share of the teacher that is kept.": lambda h: 1 - 0.5 ** (1 / h),
    "After so many steps with this momentum 1/e is left, not 1/2: that is the *time constant*. "
    "Half-life means momentum ** steps = 0.5.": lambda h: math.exp(-1 / h),
    "You raised 1/2 to the number of steps. It is the momentum that is raised to it; you want the "
    "root: 0.5 ** (1 / steps).": lambda h: 0.5**h,
    "This is e ** -steps. It is the momentum that is raised to the number of steps; you want the "
    "root of one half: 0.5 ** (1 / steps).": lambda h: math.exp(-h),
    "This is above 1: the teacher would grow. The root of one half, not of two.": (
        lambda h: 2 ** (1 / h)
    ),
    f"This is 1 - 1 / steps, the window of a plain average. {HALF}": lambda h: 1 - 1 / h,
    f"This is 1 - 2 / (steps + 1), the span of a moving average. {HALF}": (
        lambda h: 1 - 2 / (h + 1)
    ),
    f"This is 1 - 1 / (steps + 1). {HALF}": lambda h: 1 - 1 / (h + 1),
    "This takes away the same amount in each step, as if decay were a straight line. Each step "
    "takes away the same *share*: momentum ** steps = 0.5.": lambda h: 1 - 0.5 / h,
    "This is the approximation 1 - ln 2 / steps, good for long half-lives only. Solve momentum ** "
    "steps = 0.5 exactly.": lambda h: 1 - math.log(2) / h,
    "You computed the half-life of a momentum. The question is the inverse: the steps are given, "
    "the momentum is wanted.": lambda h: math.log(0.5) / math.log(h),
    "You computed the half-life of a momentum, with its sign turned round. The question is the "
    "inverse: the steps are given, the momentum is wanted.": lambda h: math.log(2) / math.log(h),
    "With this momentum a *quarter* is left after so many steps, 0.25 ** (1 / steps): half is left "
    "after half of them.": lambda h: 0.25 ** (1 / h),
    "With this momentum half is left after *twice* as many steps, 0.5 ** (0.5 / steps).": (
        lambda h: 0.5 ** (0.5 / h)
    ),
    "You took the logarithm to base e and the power to base 10. Both to one base: math.exp with "
    "math.log.": lambda h: 10 ** (math.log(0.5) / h),
    "You took the logarithm to base 10 and the power to base e. Both to one base: math.exp with "
    "math.log.": lambda h: math.exp(math.log10(0.5) / h),
    "This is the logarithm of the momentum, ln(1/2) / steps. Its exponential is the momentum.": (
        lambda h: math.log(0.5) / h
    ),
    "This is ln 2 / steps, minus the logarithm of the momentum. math.exp(-ln 2 / steps) is the "
    "momentum.": lambda h: math.log(2) / h,
    "This is e ** steps, above 1. The root of one half is asked for: 0.5 ** (1 / steps).": (
        lambda h: math.exp(h)
    ),
    "The root of the number of steps divides. The number itself does: 0.5 ** (1 / steps).": (
        lambda h: 0.5 ** (1 / h**0.5)
    ),
    "This is ln(steps) / ln(1/2). Solve momentum ** steps = 0.5: the momentum is 0.5 ** (1 / "
    "steps).": lambda h: math.log(h) / math.log(0.5),
    "This is half of 1 - 1 / steps. Solve momentum ** steps = 0.5: 0.5 ** (1 / steps).": (
        lambda h: 0.5 * (1 - 1 / h)
    ),
    "ln 2 is cut to 0.693. Take math.log(2), or 0.5 ** (1 / steps).": (
        lambda h: math.exp(-0.693 / h)
    ),
    "ln 2 is cut to 0.7. Take math.log(2), or 0.5 ** (1 / steps).": lambda h: math.exp(-0.7 / h),
    **{
        f"The momentum is held below {most}. A long half-life needs more.": (
            lambda h, most=most: min(0.5 ** (1 / h), most)
        )
        for most in (0.9, 0.99)
    },
    "Brackets: 0.5 ** 1 / steps is (0.5 ** 1) / steps. Write 0.5 ** (1 / steps).": (
        lambda h: 0.5 / h
    ),
    "This is a share of 1 / steps. The momentum is the root of one half: 0.5 ** (1 / steps).": (
        lambda h: 1 / h
    ),
    "This is the root of one half, whatever the half-life is. The steps-th root is asked for: 0.5 "
    "** (1 / steps).": lambda h: 0.5**0.5,
    "The half-life is cut to a whole number, or divided by //. It may be 2.5.": (
        lambda h: 0.5 ** (1 / int(h)) if h >= 1 else _divided_by_zero()
    ),
    "1 // steps is a whole number, and 0 from 2 on. Write 1 / steps.": lambda h: 0.5 ** (1 // h),
    "The half-life is rounded to a whole number. It may be 2.5.": lambda h: (
        0.5 ** (1 / max(round(h), 1))
    ),
    "Something is rounded to two digits.": lambda h: round(0.5 ** (1 / h), 2),
    "Something is rounded to three digits.": lambda h: round(0.5 ** (1 / h), 3),
    "Something is rounded to four digits.": lambda h: round(0.5 ** (1 / h), 4),
    "This is computed in float16, which holds 3 digits. Python's own numbers, or float64.": (
        lambda h: _half(0.5 ** (1 / h))
    ),
}


def _divided_by_zero() -> float:
    raise ZeroDivisionError("float division by zero")


def _half(x: float) -> float:
    return torch.tensor(x).half().item()


@check("5.2", "the momentum of a half-life")
def check_5_2(momentum_for_half_life):
    # By hand: after 1 step 0.5 is left; after 2, m * m = 1/2.
    kind = type(call(momentum_for_half_life, 3.0))
    expect(
        issubclass(kind, int | float | torch.Tensor) or hasattr(kind, "__float__"),
        f"The momentum should be a number; yours is of type {kind.__name__}.",
    )
    cases = [(h,) for h in (1, 2, 7, 46, 2.5, 12.7, 173)]
    compare(
        momentum_for_half_life,
        cases,
        lambda h: 0.5 ** (1 / h),
        MISTAKES,
        what="The momentum",
        tolerance=1e-6,
    )
    for steps in (0.5, 2000, 1_000_000):
        momentum = float(call(momentum_for_half_life, steps))
        left = momentum**steps
        expect(
            abs(left - 0.5) < 1e-3,
            f"After {steps} updates with momentum_for_half_life({steps}) = {momentum:.10f}, the "
            f"share {left:.4f} of the start is left. It should be 0.5. Is it rounded? float32 "
            "holds 7 digits, and a momentum near 1 needs more: Python's own numbers, or float64.",
        )
