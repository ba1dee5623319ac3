"""Exercise 5.2, the momentum of a half-life: tells apart the share of the student, a time constant,
the power in the place of the root, and approximations.
"""

from minidino.checks.core import call, check, expect, expect_close


@check("5.2", "the momentum of a half-life")
def check_5_2(momentum_for_half_life):
    # By hand: after 2 steps m * m = 1/2 is left.
    expect_close(
        call(momentum_for_half_life, 2),
        0.5**0.5,
        {
            "This is the share that the student gets in each step. The momentum is the other one, "
            "the share of the teacher that is kept.": 1 - 0.5**0.5,
            "After 2 steps with this momentum 1/e is left, not 1/2: that is the *time constant*. "
            "Half-life means momentum ** steps = 0.5.": 2.718281828**-0.5,
            "You raised 1/2 to the number of steps. It is the momentum that is raised to it; you "
            "want the root: 0.5 ** (1 / steps).": 0.25,
            "This is above 1: the teacher would grow. The root of one half, not of two.": 2**0.5,
            "This is 1 - 1 / steps, the window of a plain average. Exact is momentum ** steps = "
            "0.5, whose root is 0.5 ** (1 / steps).": 0.5 + 1e-12,
            "This takes away the same amount in each step, as if decay were a straight line. Each "
            "step takes away the same *share*: momentum ** steps = 0.5.": 0.75,
            "This is the approximation 1 - ln 2 / steps, good for long half-lives only. Solve "
            "momentum ** steps = 0.5 exactly.": 1 - 0.693147181 / 2,
            "You computed the half-life of a momentum. The question is the inverse: the steps are "
            "given, the momentum is wanted.": -1.0,
        },
        what="momentum_for_half_life(2)",
        tolerance=1e-6,
    )
    for steps in (1, 7, 46, 173, 2000):
        momentum, left = float(call(momentum_for_half_life, steps)), 1.0
        for _ in range(steps):
            left *= momentum
        expect(
            abs(left - 0.5) < 1e-3,
            f"After {steps} updates with momentum_for_half_life({steps}) = {momentum:.6f}, the "
            f"share {left:.4f} of the start is left. It should be 0.5.",
        )
