"""Exercise 5.3, warm-up and cosine: tells apart curves of another shape or direction, a value too
many or too late, and a warm-up that is missing, in another place or of another length.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare, expect_everywhere
from minidino.checks.core import Wrong, check, close, expect
from minidino.checks.mistakes import Table


def _steps(n: int, first: int = 0) -> Tensor:
    return torch.arange(first, first + n).double()


def _half_wave(base: float, final: float, x: Tensor) -> Tensor:
    """From base at x = 0 to final at x = 1."""
    return final + (base - final) * (1 + torch.cos(math.pi * x)) / 2


def _line(base: float, start: float, w: int) -> Tensor:
    return start + (base - start) * _steps(w) / (w - 1)


def _schedule(
    wave: Callable = lambda base, final, n, w: _half_wave(base, final, _steps(n) / n),
    line: Callable = _line,
    join: Callable = lambda up, down: torch.cat([up, down]),
) -> Callable:
    def values(base, final, total, warmup=0, start=0.0):
        up = line(base, start, warmup) if warmup else torch.zeros(0).double()
        return join(up, wave(base, final, total - warmup, warmup))

    return values


def _shape(curve: Callable) -> Callable:
    """A wave of another shape: ``curve`` takes x from 0 to 1 to a share of base."""
    return lambda base, final, n, w: final + (base - final) * curve(_steps(n) / n)


ANGLE = "In step t of T the angle is pi * t / T, so `final` would be step T."
WAVES: Table = {
    "The cosine runs to the wrong end: it starts at `final`. It should start at `base` and go to "
    "`final`.": lambda b, f, n, w: _half_wave(f, b, _steps(n) / n),
    f"Your last step has `final` already: you divided by one step less. {ANGLE}": (
        lambda b, f, n, w: _half_wave(b, f, _steps(n) / (n - 1))
    ),
    f"Your cosine is one step ahead: its steps are counted from 1. The first is step 0. {ANGLE}": (
        lambda b, f, n, w: _half_wave(b, f, _steps(n, 1) / n)
    ),
    f"Your cosine is half a step ahead. The first step is step 0. {ANGLE}": (
        lambda b, f, n, w: _half_wave(b, f, (_steps(n) + 0.5) / n)
    ),
    f"You divided by one step more, so the cosine does not get as far as it should. {ANGLE}": (
        lambda b, f, n, w: _half_wave(b, f, _steps(n) / (n + 1))
    ),
    "This is a straight line. Half a cosine starts and ends slowly: (1 + cos(pi * t / T)) / 2.": (
        _shape(lambda x: 1 - x)
    ),
    "You left out the 1 + and the / 2: a bare cosine falls below `final`. (1 + cos) / 2 lies "
    "between 1 and 0.": _shape(lambda x: torch.cos(math.pi * x)),
    "You left out the 1 +: cos / 2 begins at one half. (1 + cos) / 2 lies between 1 and 0.": (
        _shape(lambda x: torch.cos(math.pi * x) / 2)
    ),
    "You left out the / 2: 1 + cos begins at 2. (1 + cos) / 2 lies between 1 and 0.": (
        _shape(lambda x: 1 + torch.cos(math.pi * x))
    ),
    "Brackets: 1 + cos / 2 lies between 1.5 and 0.5. (1 + cos) / 2 lies between 1 and 0.": (
        _shape(lambda x: 1 + torch.cos(math.pi * x) / 2)
    ),
    "The cosine makes a whole turn and comes back. Half a turn is pi, not 2 * pi.": (
        _shape(lambda x: (1 + torch.cos(2 * math.pi * x)) / 2)
    ),
    "This is a quarter of a cosine. It should be half of one, flat at both ends: the angle goes to "
    "pi.": _shape(lambda x: torch.cos(math.pi * x / 2)),
    "The angle goes to pi / 2 only. Half a cosine needs pi.": (
        _shape(lambda x: (1 + torch.cos(math.pi * x / 2)) / 2)
    ),
    "The pi is missing: the angle goes to 1 in place of pi.": (
        _shape(lambda x: (1 + torch.cos(x)) / 2)
    ),
    "pi is cut to 3.14. Take math.pi.": _shape(lambda x: (1 + torch.cos(3.14 * x)) / 2),
    "pi is cut to 3. Take math.pi.": _shape(lambda x: (1 + torch.cos(3 * x)) / 2),
    "The angle is in degrees, 180; cos takes radians, pi.": (
        _shape(lambda x: (1 + torch.cos(180 * x)) / 2)
    ),
    "You took the sine; the cosine is 1 where it starts.": (
        _shape(lambda x: (1 + torch.sin(math.pi * x)) / 2)
    ),
    "You took the sine, (1 - sin) / 2. It is (1 + cos) / 2.": (
        _shape(lambda x: (1 - torch.sin(math.pi * x)) / 2)
    ),
    "Brackets: only the cosine is divided by the steps, and pi * t runs on. The angle is pi * t / "
    "T.": lambda b, f, n, w: f + (b - f) * (1 + torch.cos(math.pi * _steps(n)) / n) / 2,
    "The angle is pi * t: the division by the steps is missing.": lambda b, f, n, w: (
        f + (b - f) * (1 + torch.cos(math.pi * _steps(n))) / 2
    ),
    "Brackets: the cosine is of t / T, and pi is outside.": _shape(
        lambda x: (1 + math.pi * torch.cos(x)) / 2
    ),
    "The angle has the cosine's *share* divided by its steps twice.": lambda b, f, n, w: _half_wave(
        b, f, _steps(n) / n / n
    ),
    "The half wave is squared; it is (1 + cos) / 2 itself.": _shape(
        lambda x: ((1 + torch.cos(math.pi * x)) / 2) ** 2
    ),
    "This is an exponential decay. Half a cosine is asked for: (1 + cos(pi * t / T)) / 2.": (
        lambda b, f, n, w: b * (f / b) ** (_steps(n) / n)
    ),
    "This is a root. Half a cosine is asked for: (1 + cos(pi * t / T)) / 2.": _shape(
        lambda x: (1 - x).sqrt()
    ),
    "This is a parabola. Half a cosine is asked for: (1 + cos(pi * t / T)) / 2.": _shape(
        lambda x: (1 - x) ** 2
    ),
    "The values do not change. Half a cosine leads from `base` to `final`.": _shape(
        lambda x: torch.ones_like(x)
    ),
    "All values are `final`. Half a cosine leads from `base` to `final`.": _shape(
        lambda x: torch.zeros_like(x)
    ),
    "The cosine leads to 0; `final` is not used. It is final + (base - final) * (1 + cos) / 2.": (
        lambda b, f, n, w: _half_wave(b, 0.0, _steps(n) / n)
    ),
    "The cosine leads to 0 and is held at `final`. It is final + (base - final) * (1 + cos) / 2, "
    "which gets there at the end.": lambda b, f, n, w: _half_wave(b, 0.0, _steps(n) / n).clamp(
        min=f
    ),
    "`final` is added and not taken from `base` first: it is final + (base - final) * (1 + cos) / "
    "2.": lambda b, f, n, w: f + _half_wave(b, 0.0, _steps(n) / n),
    "`final` in front is missing: it is final + (base - final) * (1 + cos) / 2.": (
        lambda b, f, n, w: _half_wave(b - f, 0.0, _steps(n) / n)
    ),
    "Brackets: final + base - final * (1 + cos) / 2. Multiply (base - final).": (
        lambda b, f, n, w: f + b - f * (1 + torch.cos(math.pi * _steps(n) / n)) / 2
    ),
    "`base` stands in front where `final` belongs: it is final + (base - final) * (1 + cos) / 2.": (
        lambda b, f, n, w: b + (b - f) * (1 + torch.cos(math.pi * _steps(n) / n)) / 2
    ),
    "The difference is the wrong way round in size, |base - final|: `final` may be larger than "
    "`base`.": lambda b, f, n, w: f + abs(b - f) * (1 + torch.cos(math.pi * _steps(n) / n)) / 2,
    "The sign of the difference is turned round: it is final + (base - final) * (1 + cos) / 2.": (
        lambda b, f, n, w: f - (b - f) * (1 + torch.cos(math.pi * _steps(n) / n)) / 2
    ),
    "Your cosine has been running since step 0, so there is a jump where the warm-up ends. Count "
    "its steps from there: t - warmup_steps.": lambda b, f, n, w: _half_wave(
        b, f, _steps(n, w) / (n + w)
    ),
    "Your cosine counts its steps from 0 of the whole run, over the steps that are left. Count "
    "them from the warm-up's end: t - warmup_steps.": lambda b, f, n, w: _half_wave(
        b, f, _steps(n, w) / n
    ),
    "Your cosine ends before it arrives at `final`. After the warm-up it has total_steps - "
    "warmup_steps steps.": lambda b, f, n, w: _half_wave(b, f, _steps(n) / (n + w)),
    "Your cosine starts one step late, with `base` twice: its first step is the one that follows "
    "the warm-up.": lambda b, f, n, w: (
        _half_wave(b, f, (_steps(n) - 1).clamp(min=0) / n) if w else _half_wave(b, f, _steps(n) / n)
    ),
}
LINES: Table = {
    "The warm-up is counted from the wrong end: it falls from `base` to `start`. It should rise.": (
        lambda b, s, w: _line(b, s, w).flip(0)
    ),
    "The warm-up starts at 0; the argument `start` is not used.": lambda b, s, w: _line(b, 0.0, w),
    "Your warm-up does not get to `base` in its last step: you divided by warmup_steps. From the "
    "first of its steps to the last it is one step less.": (
        lambda b, s, w: s + (b - s) * _steps(w) / w
    ),
    "Your warm-up does not begin at `start`: you count its steps from 1. The first step is step "
    "0.": lambda b, s, w: s + (b - s) * _steps(w, 1) / w,
    "Your warm-up starts at 0 and counts its steps from 1. It begins at `start`, in step 0.": (
        lambda b, s, w: b * _steps(w, 1) / w
    ),
    "Your warm-up starts at 0 and does not get to `base`. It goes from `start` to `base`.": (
        lambda b, s, w: b * _steps(w) / w
    ),
    "`start` is added on top: the warm-up ends at start + base. It is start + (base - start) * t / "
    "(W - 1).": lambda b, s, w: s + b * _steps(w) / (w - 1),
    "`start` is a value and not a share of `base`.": lambda b, s, w: _line(b, s * b, w),
    "Your warm-up is a cosine as well. It is a straight line.": (
        lambda b, s, w: _half_wave(s, b, _steps(w) / (w - 1))
    ),
    "Your warm-up is a cosine as well, and does not get to `base`. It is a straight line.": (
        lambda b, s, w: _half_wave(s, b, _steps(w) / w)
    ),
    "Your warm-up stays at `start`. It rises to `base` in a straight line.": (
        lambda b, s, w: torch.full((w,), float(s))
    ),
    "Your warm-up stays at `base`. It rises from `start` in a straight line.": (
        lambda b, s, w: torch.full((w,), float(b))
    ),
    "Your warm-up stays at 0. It rises from `start` to `base` in a straight line.": (
        lambda b, s, w: torch.zeros(w)
    ),
    "Your warm-up is a parabola. It is a straight line.": (
        lambda b, s, w: s + (b - s) * (_steps(w) / (w - 1)) ** 2
    ),
    "Your warm-up is exponential. It is a straight line.": (
        lambda b, s, w: s * (b / s) ** (_steps(w) / (w - 1)) if s else torch.zeros(w)
    ),
    "Your warm-up leads to 1, whatever `base` is.": lambda b, s, w: _line(1.0, s, w),
    "The warm-up has t / (W - 1) alone, without start and base.": (
        lambda b, s, w: _steps(w) / (w - 1)
    ),
    "`start` is missing in front: it is start + (base - start) * t / (W - 1).": (
        lambda b, s, w: (b - s) * _steps(w) / (w - 1)
    ),
}


def _whole(b: float, f: float, total: int) -> Tensor:
    return _half_wave(b, f, _steps(total) / total)


def _then(values: Tensor, last: float) -> Tensor:
    return torch.cat([values, torch.tensor([float(last)])])


def _one_step_longer(b, f, t, w=0, s=0.0):
    right = _schedule()(b, f, t, w, s)
    if not w:
        return torch.cat([torch.tensor([float(s)]), right[1:]])
    return torch.cat([_then(right[:w], b + (b - s) / (w - 1)), right[w + 1 :]])


def _mistakes() -> Table:
    right = _schedule()
    return {
        "Your schedule has a value too many. total_steps = T means the steps 0 to T - 1; `final` "
        "would be the value of step T, which is never taken.": lambda b, f, t, w=0, s=0.0: (
            torch.cat([right(b, f, t, w, s), torch.tensor([float(f)])])
        ),
        "Your schedule has a value too many, the last of T + 1 steps. total_steps = T means the "
        "steps 0 to T - 1.": lambda b, f, t, w=0, s=0.0: right(b, f, t + 1, w, s),
        "Your schedule has a value too few: total_steps = T means the steps 0 to T - 1.": (
            lambda b, f, t, w=0, s=0.0: right(b, f, t, w, s)[:-1]
        ),
        "You added the warm-up in front of the whole schedule. The warm-up is part of total_steps: "
        "the cosine has the steps that are left.": lambda b, f, t, w=0, s=0.0: right(
            b, f, t + w, w, s
        ),
        "The warm-up is missing: the schedule starts at `base`. The first warmup_steps rise in a "
        "straight line from `start`.": lambda b, f, t, w=0, s=0.0: _whole(b, f, t),
        "The warm-up is at the wrong end: the schedule begins with the cosine. Without it the "
        "first, wildest gradients get the largest learning rate.": _schedule(
            join=lambda up, down: torch.cat([down, up])
        ),
        "You multiplied warm-up and cosine. The warm-up comes first, in a straight line; the "
        "cosine begins where it ends.": lambda b, f, t, w=0, s=0.0: (
            _whole(b, f, t) * ((_steps(t) / w).clamp(max=1) if w else 1)
        ),
        "You multiplied warm-up and cosine, the warm-up counted from 1. The warm-up comes first, "
        "in a straight line; the cosine begins where it ends.": lambda b, f, t, w=0, s=0.0: (
            _whole(b, f, t) * ((_steps(t, 1) / w).clamp(max=1) if w else 1)
        ),
        "You multiplied warm-up and cosine, the warm-up over W - 1 steps. The warm-up comes first, "
        "in a straight line; the cosine begins where it ends.": lambda b, f, t, w=0, s=0.0: (
            _whole(b, f, t) * ((_steps(t) / (w - 1)).clamp(max=1) if w else 1)
        ),
        "The warm-up leads to `final`. It leads to `base`, where the cosine begins.": (
            lambda b, f, t, w=0, s=0.0: torch.cat([_line(f, s, w)[:w], right(b, f, t, w, s)[w:]])
        ),
        "This is the warm-up alone; the cosine is not in what you return.": (
            lambda b, f, t, w=0, s=0.0: right(b, f, t, w, s)[:w]
        ),
        "This is the cosine alone; the warm-up is not in what you return.": (
            lambda b, f, t, w=0, s=0.0: right(b, f, t, w, s)[w:]
        ),
        "The warm-up is one step too long: t <= warmup_steps. It has the steps t < warmup_steps.": (
            _one_step_longer
        ),
        "Your steps are counted from 1 in both pieces. The first step is step 0.": _schedule(
            WAVES[next(m for m in WAVES if "one step ahead" in m)],
            lambda b, s, w: s + (b - s) * _steps(w, 1) / (w - 1),
        ),
        "Your steps are counted from 1: at step t you have the value of step t + 1.": (
            lambda b, f, t, w=0, s=0.0: _then(right(b, f, t, w, s)[1:], f)
        ),
        "The values are whole numbers: base and final are ints here, and the result took their "
        "type. Make it a floating one.": lambda b, f, t, w=0, s=0.0: (
            right(b, f, t, w, s).trunc() if isinstance(b, int) else right(b, f, t, w, s)
        ),
        **{message: _schedule(wave) for message, wave in WAVES.items()},
        **{message: _schedule(line=line) for message, line in LINES.items()},
    }


@check("5.3", "warm-up and cosine, a value per step")
def check_5_3(cosine_schedule):
    # By hand: (1 + cos(0, 45, 90, 135 degrees)) / 2.
    r = 0.25 * 2**0.5
    by_hand = torch.tensor([1, 0.5 + r, 0.5, 0.5 - r])
    assert close(_schedule()(1.0, 0.0, 4), by_hand)
    cases = [
        (1.0, 0.0, 4),
        (2.0, 0.5, 10, 4, 0.4),
        (0.9, 1.4, 7),
        (0.6, 1.5, 9, 3, 0.1),
        (1.2, 0.2, 12, 2, 0.3),
        (3, 1, 8, 5, 2),
        (2, 1, 6),
    ]
    mistakes = _mistakes()
    try:
        compare(
            cosine_schedule,
            cases,
            _schedule(),
            mistakes,
            names="(total_steps,)",
            what="The schedule",
        )
    except Wrong as error:
        if str(error) not in mistakes:
            expect_everywhere(
                cosine_schedule,
                cases,
                _schedule(),
                {
                    "Without a warm-up your schedule is right, and with one it is not: look at the "
                    "first warmup_steps values, and at where the cosine's steps begin.": (
                        lambda b, f, t, w=0, s=0.0: w == 0
                    ),
                    "With a warm-up your schedule is right, and with warmup_steps = 0 it is not. "
                    "Then there is only the cosine.": lambda b, f, t, w=0, s=0.0: w > 0,
                    "Your schedule is right where it falls, and wrong where `final` is larger than "
                    "`base`: the momentum rises.": lambda b, f, t, w=0, s=0.0: b > f,
                    "Your schedule is right where `final` is 0, and otherwise not.": (
                        lambda b, f, t, w=0, s=0.0: f == 0
                    ),
                },
            )
        raise
    got = cosine_schedule(1.0, 0.0, 4)
    expect(
        not got.requires_grad and got.device.type == "cpu",
        "The schedule should be plain numbers, on the CPU and without a graph.",
    )
