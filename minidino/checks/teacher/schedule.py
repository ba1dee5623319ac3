"""Exercise 5.3, warm-up and cosine: tells apart curves of another shape or direction, a value too
many or too late, and a warm-up that is missing, in another place or of another length.
"""

import torch
from torch import Tensor

from minidino.checks.core import call, check, expect, expect_close


@check("5.3", "warm-up and cosine, a value per step")
def check_5_3(cosine_schedule):
    # By hand: (1 + cos(0, 45, 90, 135 degrees)) / 2.
    got = call(cosine_schedule, 1.0, 0.0, 4)
    expect(
        not isinstance(got, Tensor) or got.shape != (5,),
        "Your schedule has a value too many. total_steps = 4 means the steps 0, 1, 2, 3; `final` "
        "would be the value of step 4, which is never taken.",
    )
    r = 0.25 * 2**0.5
    expect_close(
        got,
        torch.tensor([1.0, 0.5 + r, 0.5, 0.5 - r]),
        {
            "The cosine runs to the wrong end: it starts at `final`. It should start at `base` and "
            "go to `final`.": torch.tensor([0.0, 0.5 - r, 0.5, 0.5 + r]),
            "Your last step has `final` already: you divided by one step less. In step t of T the "
            "angle is pi * t / T, so `final` would be step T.": torch.tensor([1.0, 0.75, 0.25, 0]),
            "This is a straight line. Half a cosine starts and ends slowly: "
            "(1 + cos(pi * t / T)) / 2.": torch.tensor([1.0, 0.75, 0.5, 0.25]),
            "You left out the 1 + and the / 2: a bare cosine falls below `final`, to -1 times "
            "`base`. (1 + cos) / 2 lies between 1 and 0.": torch.tensor([1, 2 * r, 0, -2 * r]),
            "The cosine makes a whole turn and comes back. Half a turn is pi, not "
            "2 * pi.": torch.tensor([1.0, 0.5, 0.0, 0.5]),
            "This is a quarter of a cosine. It should be half of one, flat at both ends: the "
            "angle goes to pi.": torch.tensor([1.0, 0.92388, 2 * r, 0.38268]),
            "The values do not change. Half a cosine leads from `base` to `final`.": torch.ones(4),
        },
        names="(total_steps,)",
        what="cosine_schedule(1, 0, total_steps=4)",
    )
    base, final, total, warmup, start = 2.0, 0.5, 10, 4, 0.4

    def cosine(step: Tensor, steps: int) -> Tensor:
        return final + (base - final) * (1 + torch.cos(torch.pi * step / steps)) / 2

    t = torch.arange(total).double()
    rest, ramp = cosine(t[: total - warmup], total - warmup), base - start
    up = start + ramp * t[:warmup] / (warmup - 1)
    got = call(cosine_schedule, base, final, total, warmup, start)
    expect(
        not isinstance(got, Tensor) or got.shape != (total + warmup,),
        "You added the warm-up in front of the whole schedule. The warm-up is part of "
        "total_steps: the cosine has the steps that are left.",
    )
    expect_close(
        got,
        torch.cat([up, rest]),
        {
            "The warm-up is missing: the schedule starts at `base`. The first warmup_steps rise "
            "in a straight line from `start`.": cosine(t, total),
            "The warm-up is at the wrong end: the schedule begins with the cosine. Without it the "
            "first, wildest gradients get the largest learning rate.": torch.cat([rest, up]),
            "The warm-up is counted from the wrong end: it falls from `base` to `start`. It should "
            "rise.": torch.cat([up.flip(0), rest]),
            "Your cosine has been running since step 0, so there is a jump where the warm-up ends. "
            "Count its steps from there: t - warmup_steps.": torch.cat([up, cosine(t, total)[4:]]),
            "Your cosine ends before it arrives at `final`. After the warm-up it has "
            "total_steps - warmup_steps steps.": torch.cat([up, cosine(t, total)[:6]]),
            "Your last step has `final` already. Step t of the cosine's n steps has the angle "
            "pi * t / n.": torch.cat([up, cosine(t[:6], 5)]),
            "The warm-up starts at 0; the argument `start` is not used.": torch.cat(
                [base * t[:warmup] / (warmup - 1), rest]
            ),
            "Your warm-up does not get to `base` in its last step: you divided by warmup_steps. "
            "From the first of its steps to the last it is one step less.": torch.cat(
                [start + ramp * t[:warmup] / warmup, rest]
            ),
            "Your warm-up does not begin at `start`: you count its steps from 1. The first step "
            "is step 0.": torch.cat([start + ramp * (t[:warmup] + 1) / warmup, rest]),
            "You multiplied warm-up and cosine. The warm-up comes first, in a straight line; the "
            "cosine begins where it ends.": cosine(t, total) * (t / warmup).clamp(max=1),
        },
        names="(total_steps,)",
        what="cosine_schedule(2, 0.5, total_steps=10, warmup_steps=4, start=0.4)",
    )
    up = 1 - 0.1 * (1 + torch.cos(torch.pi * torch.arange(50).double() / 50)) / 2
    got = call(cosine_schedule, 0.9, 1.0, 50)
    expect_close(got, up, names="(total_steps,)", what="A schedule that rises, from 0.9 to 1")
