"""Exercise 6.4, reading a training log: tells apart which lines are judged, how they are averaged
and measured, and in which order the rules are asked.
"""

import functools
import json
import math
import random
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minidino.checks.compare import agreeing, compare, outcome
from minidino.checks.core import call, check, expect
from minidino.checks.mistakes import both

LOGS = Path(__file__).parents[1] / "logs"
VERDICTS = ("uniform", "peaked", "constant", "unstable", "healthy")


def training_log(name: str) -> list[dict]:
    """The lines of a given training log: "a", "b" or "c" (tools/make_collapse_logs.py)."""
    return [
        json.loads(line)
        for line in (LOGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


KEYS = ("entropy", "usage", "kl")


def _quarter(log: list[dict]) -> list[dict]:
    return log[-max(1, len(log) // 4) :]


def _mean(values: list[float], log: list[dict]) -> float:
    return sum(values) / len(values)


def _rule(unstable=0.15, gap=0.02, high=0.9, low=0.1) -> Callable[..., str]:
    def verdict(h: float, u: float, d: float) -> str:
        if d > unstable:
            return "unstable"
        if u - h >= gap:
            return "healthy"
        return "uniform" if h > high else "peaked" if h < low else "constant"

    return verdict


RULE = _rule()


def _diagnosis(end=_quarter, average=_mean, unit=math.log, keys=KEYS, rule=RULE) -> Callable:
    """``unit`` and ``average`` are one function, or one for each of the three."""
    units = unit if isinstance(unit, tuple) else (unit,) * 3
    averages = average if isinstance(average, tuple) else (average,) * 3

    def diagnose(log: list[dict], out_dim: int) -> str:
        lines = end(log)
        return rule(
            *(
                average([line[key] for line in lines], log) / u(out_dim)
                for key, average, u in zip(keys, averages, units, strict=True)
            )
        )

    return diagnose


def _by_step(log: list[dict]) -> list[dict]:
    return [x for x in log if x["step"] > 0.75 * log[-1]["step"]] or log[-1:]


END = "What is judged is the end of the run: the last max(1, len(log) // 4) lines. "
WRONG_ENDS = {
    f"{END}You judged the last line alone. One batch may be an accident.": lambda log: log[-1:],
    f"{END}You averaged over the whole run. What it did at its start does not matter.": (
        lambda log: log
    ),
    "Of 3 lines a quarter is 0 lines, and log[-0:] is the whole log. Take the last "
    "max(1, len(log) // 4) lines.": lambda log: log[-(len(log) // 4) :],
    f"{END}Yours has a line more where the lines do not divide by 4: -len(log) // 4 and "
    "3 * len(log) // 4 round the other way. Brackets: -(len(log) // 4).": (
        lambda log: log[-len(log) // 4 :]
    ),
    f"{END}You rounded the quarter to the nearest number.": (
        lambda log: log[-max(1, round(len(log) / 4)) :]
    ),
    f"{END}You took a quarter and one line more.": lambda log: log[-(len(log) // 4 + 1) :],
    f"{END}You took the first quarter.": lambda log: log[: max(1, len(log) // 4)],
    f"{END}You took all *but* the last quarter: log[:-n] in place of log[-n:].": (
        lambda log: log[: -max(1, len(log) // 4)] or log
    ),
    f"{END}You left out the first quarter and kept the rest: log[n:] in place of log[-n:].": (
        lambda log: log[len(log) // 4 :]
    ),
    f"{END}You took the last half.": lambda log: log[-max(1, len(log) // 2) :],
    f"{END}You took the last third.": lambda log: log[-max(1, len(log) // 3) :],
    f"{END}You took the last fifth.": lambda log: log[-max(1, len(log) // 5) :],
    f"{END}You took the last tenth.": lambda log: log[-max(1, len(log) // 10) :],
    f"{END}You took the last 4 lines.": lambda log: log[-4:],
    f"{END}You took the last 10 lines.": lambda log: log[-10:],
    f"{END}You took at least 4 lines. One is enough for a short log.": (
        lambda log: log[-max(4, len(log) // 4) :]
    ),
    f"{END}You took at least 2 lines. One is enough for a short log.": (
        lambda log: log[-max(2, len(log) // 4) :]
    ),
    f"{END}You took the last three quarters.": lambda log: log[-max(1, len(log) * 3 // 4) :],
    f"{END}You took every fourth line.": lambda log: log[::4],
    f"{END}You left out the last line.": (
        lambda log: log[-max(1, len(log) // 4) - 1 : -1] or log[-1:]
    ),
    f"{END}You left out the last line: log[-n:-1] ends before it.": (
        lambda log: log[-max(1, len(log) // 4) : -1] or log[-1:]
    ),
    f"{END}You went by the number of the step. A log may begin anywhere (after a resume): count "
    "its lines.": _by_step,
    f"{END}You went by the number of the step. A log may begin anywhere (after a resume): count "
    "its lines. (Yours has the limit's own line too.)": (
        lambda log: [x for x in log if x["step"] >= 0.75 * log[-1]["step"]]
    ),
}
# Where an answer fails: a number of lines with which it does not -> why it did with fewer.
EMPTY = {
    4: "Of 3 lines a quarter is 0 lines, and your function fails on what is left: nothing to "
    "average. Take the last max(1, len(log) // 4) lines.",
    8: f"{END}You left out the last line: log[-n:-1] ends before it, and of one line nothing is "
    "left. log[-n:] has no end.",
}
MEAN = "Each curve is averaged over the end: sum / number of lines. "
WRONG_AVERAGES = {
    f"{MEAN}You took the median. Swinging is what an unstable run does, and the median does not "
    "see it.": lambda v, log: statistics.median(v),
    f"{MEAN}You took the median. Swinging is what an unstable run does, and the median does not "
    "see it. (Yours takes the upper of two.)": lambda v, log: statistics.median_high(v),
    f"{MEAN}You took the median. Swinging is what an unstable run does, and the median does not "
    "see it. (Yours takes the lower of two.)": lambda v, log: statistics.median_low(v),
    f"{MEAN}You took the sum, which grows with the number of lines.": lambda v, log: sum(v),
    f"{MEAN}You divided by the number of lines of the whole log.": (
        lambda v, log: sum(v) / len(log)
    ),
    f"{MEAN}You divided by a quarter of the log's lines as a fraction, len(log) / 4.": (
        lambda v, log: sum(v) / (len(log) / 4)
    ),
    f"{MEAN}You divided by 4.": lambda v, log: sum(v) / 4,
    f"{MEAN}You took the largest KL. One batch may be an accident.": (
        (_mean, _mean, lambda v, log: max(v))
    ),
    f"{MEAN}You took the last KL. One batch may be an accident.": (
        (_mean, _mean, lambda v, log: v[-1])
    ),
    f"{MEAN}You took the median of KL. Swinging is what an unstable run does.": (
        (_mean, _mean, lambda v, log: statistics.median(v))
    ),
    f"{MEAN}You took the largest.": lambda v, log: max(v),
    f"{MEAN}You took the smallest.": lambda v, log: min(v),
    f"{MEAN}You took what changed from its first line to its last.": (
        lambda v, log: v[-1] - v[0]
    ),
}  # fmt: skip
UNITS = (
    "Entropies lie between 0 and ln K in nats, K being out_dim: divide each average by "
    "math.log(out_dim). "
)


def _one(k: int) -> float:
    return 1.0


def _only(i: int, wrong: Callable, other: Callable = math.log) -> tuple:
    return tuple(wrong if i == j else other for j in range(3))


WRONG_UNITS = {
    f"{UNITS}You divided by nothing.": _one,
    f"{UNITS}You divided by K itself.": lambda k: k,
    f"{UNITS}You took log2(K).": math.log2,
    f"{UNITS}You took log10(K).": math.log10,
    f"{UNITS}You took log(K + 1).": math.log1p,
    f"{UNITS}You took the root of K.": math.sqrt,
    f"{UNITS}You divided twice.": lambda k: math.log(k) ** 2,
    f"{UNITS}You multiplied.": lambda k: 1 / math.log(k),
    f"{UNITS}You did not divide the entropy.": _only(0, _one),
    f"{UNITS}You did not divide the usage.": _only(1, _one),
    f"{UNITS}You did not divide KL.": _only(2, _one),
    f"{UNITS}You divided KL alone; entropy and usage are in nats.": _only(2, math.log, _one),
    f"{UNITS}You divided KL twice, or compared the quotient with 0.15 ln K.": _only(
        2, lambda k: math.log(k) ** 2
    ),
    f"{UNITS}You divided KL by K.": _only(2, lambda k: k),
    f"{UNITS}You divided KL by log2(K).": _only(2, math.log2),
    **{
        f"{UNITS}You divide by the fixed number ln {k}. K is an argument.": (
            lambda _, k=k: math.log(k)
        )
        for k in (4, 10, 32, 64, 256, 4096, 65536)
    },
}
WRONG_KEYS = {
    "You took the loss for KL. The loss is entropy + KL; d is the average of line['kl'].": (
        ("entropy", "usage", "loss")
    ),
    "You took the loss for the entropy. The loss is entropy + KL; h is the average of "
    "line['entropy'].": ("loss", "usage", "kl"),
    "You took the loss for usage. u is the average of line['usage'].": ("entropy", "loss", "kl"),
    "You took the entropy for KL. d is the average of line['kl'].": (
        ("entropy", "usage", "entropy")
    ),
    "You took usage for KL. d is the average of line['kl'].": ("entropy", "usage", "usage"),
    "Entropy and usage are exchanged. Usage, the entropy of the mean target, is never below the "
    "entropy: u - h, in this order.": ("usage", "entropy", "kl"),
    "KL and entropy are exchanged.": ("kl", "usage", "entropy"),
    "KL and usage are exchanged.": ("entropy", "kl", "usage"),
}


def _first(*steps: tuple[Callable[..., bool], str]) -> Callable[..., str]:
    """The verdict of the first condition on (h, u, d) that holds."""
    return lambda h, u, d: next(word for holds, word in steps if holds(h, u, d))


_unstable = (lambda h, u, d: d > 0.15, "unstable")
_healthy = (lambda h, u, d: u - h >= 0.02, "healthy")
_uniform = (lambda h, u, d: h > 0.9, "uniform")
_peaked = (lambda h, u, d: h < 0.1, "peaked")
_constant = (lambda h, u, d: True, "constant")


def _exchanged(a: str, b: str) -> Callable[..., str]:
    def verdict(h: float, u: float, d: float) -> str:
        word = RULE(h, u, d)
        return b if word == a else a if word == b else word

    return verdict


LIMITS = "The limits are 0.15 of ln K for KL, 0.02 for u - h, and 0.9 and 0.1 for the entropy. "
GAP = "Healthy is u - h >= 0.02: usage less entropy, in this order. "
ORDER = "The three rules are asked in their order: unstable, healthy, then the rest. "
WRONG_RULES = {
    f"{GAP}Yours is h - u, or you never return healthy.": _first(
        _unstable, (lambda h, u, d: h - u >= 0.02, "healthy"), _uniform, _peaked, _constant
    ),
    f"{GAP}You divided them: usage over entropy.": _first(
        _unstable, (lambda h, u, d: u / max(h, 1e-9) >= 1.02, "healthy"), _uniform, _peaked,
        _constant,
    ),
    f"{GAP}Yours asks whether the difference is *below* 0.02.": _first(
        _unstable, (lambda h, u, d: u - h < 0.02, "healthy"), _uniform, _peaked, _constant
    ),
    f"{GAP}You asked usage alone, u >= 0.02.": _first(
        _unstable, (lambda h, u, d: u >= 0.02, "healthy"), _uniform, _peaked, _constant
    ),
    "Unstable is d > 0.15. Yours asks whether d is *below* it.": _first(
        (lambda h, u, d: d < 0.15, "unstable"), _healthy, _uniform, _peaked, _constant
    ),
    f"{ORDER}KL above 15% of ln K is unstable whatever the entropies are. You look at KL only "
    "after healthy.": _first(_healthy, _unstable, _uniform, _peaked, _constant),
    f"{ORDER}KL above 15% of ln K is unstable whatever the entropies are. You never look at KL, or "
    "last.": _first(_healthy, _uniform, _peaked, _constant),
    f"{ORDER}You judge by the entropy first. A low one may be a teacher that is sure of each "
    "image, a high one may lie under a usage that is higher still.": _first(
        _unstable, _uniform, _peaked, _healthy, _constant
    ),
    f"{ORDER}You ask for peaked before healthy. The entropy is low where each target is sure; if "
    "usage is far above it, different images get different prototypes.": _first(
        _unstable, _peaked, _healthy, _uniform, _constant
    ),
    f"{ORDER}You ask for uniform before healthy. The entropy may be high and usage higher still: "
    "the difference is what the targets tell.": _first(
        _unstable, _uniform, _healthy, _peaked, _constant
    ),
    f"{ORDER}Yours are asked from the last to the first, or each `if` overwrites what the one "
    "before it found: elif, or a return in each.": _first(
        _peaked, _uniform, _healthy, _unstable, _constant
    ),
    "Uniform and peaked are exchanged. In a uniform collapse every target is flat, and its entropy "
    "is ln K; in a peaked one it is one-hot, and its entropy is 0.": _first(
        _unstable, _healthy, (_uniform[0], "peaked"), (_peaked[0], "uniform"), _constant
    ),
    "An entropy between the extremes is not health. If usage equals entropy, every image gets the "
    "same target, neither flat nor one-hot: constant.": _first(
        _unstable, _healthy, _uniform, _peaked, (_constant[0], "healthy")
    ),
    **{
        f"{ORDER}You judge by usage alone: above {x:g} or so you say uniform. Near ln K it says "
        "that all prototypes are used; the entropy tells whether by each image (uniform) or among "
        "them (healthy).": _first(
            _unstable, (lambda h, u, d, x=x: u > x, "uniform"), _healthy, _peaked, _constant
        )
        for x in (0.9, 0.95, 0.98, 0.995)
    },
    f"{GAP}You asked whether each of the two is above 0.02.": _first(
        _unstable, (lambda h, u, d: min(h, u) > 0.02, "healthy"), _uniform, _peaked, _constant
    ),
    **{
        f"{GAP}Your limit grows with the {word}.": _first(
            _unstable, (lambda h, u, d, i=i: u - h >= 0.02 * (h, u)[i], "healthy"), _uniform,
            _peaked, _constant,
        )
        for i, word in enumerate(("entropy", "usage"))
    },
    **{
        f"{a.capitalize()} and {b} are exchanged. Below 0.1 it is peaked, above 0.9 uniform, and "
        "between them constant.": _exchanged(a, b)
        for a, b in (("peaked", "constant"), ("uniform", "constant"), ("peaked", "healthy"))
    },
    "What is left after uniform is either peaked, h < 0.1, or constant. You call all of it "
    "peaked.": _first(_unstable, _healthy, _uniform, (_constant[0], "peaked")),
    "What is left after peaked is either uniform, h > 0.9, or constant. You call all of it "
    "uniform.": _first(_unstable, _healthy, _peaked, (_constant[0], "uniform")),
    "You never return uniform or peaked: constant is only what lies between 0.1 and 0.9.": _first(
        _unstable, _healthy, _constant
    ),
    **{
        f"{LIMITS}Your limit for unstable is {x:g}, it seems.": _rule(unstable=x)
        for x in (0.0015, 0.015, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9, 1.5)
    },
    **{
        f"{LIMITS}Your limit for u - h is {x:g}, it seems.": _rule(gap=x)
        for x in (1e-6, 0.002, 0.01, 0.05, 0.1, 0.2, 0.5)
    },
    **{
        f"{LIMITS}Your limit for uniform is {x:g}, it seems.": _rule(high=x)
        for x in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.95, 0.99, 9.0)
    },
    **{
        f"{LIMITS}Your limit for peaked is {x:g}, it seems.": _rule(low=x)
        for x in (-1.0, 0.01, 0.02, 0.05, 0.15, 0.2, 0.25, 0.3, 0.5)
    },
}  # fmt: skip


def _gap_in_nats(log: list[dict], k: int) -> str:
    """The right rules, but for u - h, which is not divided by ln K."""
    return _diagnosis(rule=_rule(gap=0.02 / math.log(k)))(log, k)


# The parts of the reference, and what is wrong in each.
PARTS = {
    "end": WRONG_ENDS,
    "average": WRONG_AVERAGES,
    "unit": WRONG_UNITS,
    "keys": WRONG_KEYS,
    "rule": WRONG_RULES,
}
BECAUSE = {
    "unstable": "d is above 0.15, which is asked first.",
    "healthy": "d is not above 0.15, and u - h is 0.02 or more.",
    "uniform": "d is not above 0.15, u - h is below 0.02, and h is above 0.9.",
    "peaked": "d is not above 0.15, u - h is below 0.02, and h is below 0.1.",
    "constant": "d is not above 0.15, u - h is below 0.02, and h lies between 0.1 and 0.9.",
}
# Of a log of the first verdict that was given the second.
LESSONS = {
    ("peaked", "healthy"): "A low loss is not success: every image gets the same one prototype, "
    "which is easy to predict.",
    ("uniform", "healthy"): "Entropy and usage are both at ln K: every target is flat.",
    ("constant", "healthy"): "An entropy between the extremes is not health: usage equals it, so "
    "every image gets the same target.",
    ("healthy", "uniform"): "Neither the loss nor the entropy tells by itself: usage is higher "
    "still, and the difference is what the targets tell of the images.",
    ("healthy", "peaked"): "The entropy is low because each target is sure; usage is far above it, "
    "so different images get different prototypes.",
    ("healthy", "constant"): "Usage is well above the entropy: the targets differ.",
}
# What the runs were is in tools/make_collapse_logs.py; here is what became of them.
REAL = {
    "a": (64, "peaked"),
    "b": (64, "uniform"),
    "c": (64, "unstable"),
    "hidden_1": (64, "healthy"),
    "hidden_2": (64, "healthy"),
    "hidden_3": (64, "constant"),
    "hidden_4": (256, "uniform"),
    "hidden_5": (256, "healthy"),
    "hidden_6": (64, "peaked"),
    "hidden_7": (64, "unstable"),
    "hidden_8": (64, "healthy"),
}


@functools.cache
def logs() -> list[tuple[list[dict], int]]:
    """Logs beside every limit, of many lengths and K, that began in another way than they end."""
    chance = random.Random(6)
    entropies = [0.003, 0.013, 0.03, 0.07, 0.09, 0.12, 0.17, 0.22, 0.27, 0.4, 0.47, 0.55, 0.65,
                 0.72, 0.78, 0.82, 0.87, 0.89, 0.92, 0.94, 0.97, 0.992]  # fmt: skip
    gaps = [0.0, 0.001, 0.005, 0.012, 0.017, 0.023, 0.035, 0.07, 0.15, 0.3, 0.6]
    kls = [0.001, 0.01, 0.017, 0.03, 0.07, 0.12, 0.14, 0.16, 0.18, 0.21]
    kls += [0.22, 0.28, 0.4, 0.6, 0.7, 0.9, 1.2, 1.7]
    ends = [(h, g, 0.0008) for h in entropies for g in (0.004, 0.001)]
    ends += [(h, 0.03, 0.01) for h in entropies if h < 0.97]
    ends += [(h, g, d) for h in (0.05, 0.35) for g in gaps for d in (0.001, 0.1)]
    ends += [
        (h, g, d) for h, g in ((0.4, 0.3), (0.5, 0.001), (0.95, 0.0), (0.04, 0.01)) for d in kls
    ]
    ends += [(0.82, 0.13, 0.12), (0.86, 0.1, 0.1), (0.5, 0.495, 0.1), (0.2, 0.78, 0.01)]
    ends += [(0.4, 0.3, d) for d in (0.16, 0.165, 0.17, 0.18, 0.19) for _ in range(3)]
    lengths = [1, 2, 3, 5, 6, 7, 8, 10, 11, 13, 17, 18, 19, 24, 27, 30, 40, 43]
    found = []
    for i, (h, gap, d) in enumerate(ends):
        n, k = lengths[i % len(lengths)], chance.choice((4, 10, 32, 64, 256, 4096))
        start = chance.choice((0, 0, 0, 5000))
        before = (
            chance.random(),
            chance.choice((0.0, 0.005, 0.2)),
            chance.choice((0.001, 0.1, 0.6)),
        )
        end = max(1, n // 4)
        log = []
        for kind, length in ((before, n - end), ((h, gap, d), end)):
            # Lines differ and keep their mean; a few swing.
            swing = chance.choice((chance.expovariate, lambda mean: chance.uniform(0.9, 1.1)))
            wobble = [swing(1.0) for _ in range(length)]
            wobble = [w * length / sum(wobble) for w in wobble]
            for w in wobble:
                a, b, c = (x * w * math.log(k) for x in (kind[0], kind[0] + kind[1], kind[2]))
                log.append({"step": start + 10 * (len(log) + 1), "loss": a + c, "entropy": a,
                            "usage": b, "kl": c})  # fmt: skip
        found.append((log, k))
    return found + [(training_log(name), k) for name, (k, _) in REAL.items()]


@check("6.4", "diagnose a training log")
def check_6_4(diagnose):
    given: list[str] = []

    def answer(half: int) -> Tensor:
        for log, out_dim in logs()[half::2]:
            before = json.dumps(log)
            try:
                got = call(diagnose, log, out_dim)
            except (ArithmeticError, ValueError, LookupError):
                for n, told in EMPTY.items():
                    longer = outcome(diagnose, (logs()[-1][0][-n:], 64))
                    expect(len(log) >= n or isinstance(longer, Exception), told)
                raise
            expect(json.dumps(log) == before, "Your function changes the log it was given.")
            expect(
                isinstance(got, str) and got in VERDICTS,
                f"Return one of {', '.join(VERDICTS)}; yours is {got!r}.",
            )
            given.append(str(got))
        return _numbers(given[-len(logs()[half::2]) :])

    def of_all(one: Callable) -> Callable:
        return lambda half: _numbers(one(*log) for log in logs()[half::2])

    mistakes = {
        message: of_all(_diagnosis(**{part: wrong}))
        for part, table in PARTS.items()
        for message, wrong in table.items()
    }
    mistakes[f"{UNITS}Your limit for u - h is 0.02 nats."] = of_all(_gap_in_nats)
    right = of_all(_diagnosis())
    compare(answer, [(0,), (1,)], right, mistakes, otherwise=lambda *_: _in_words(given))


def _numbers(words: Iterable[str]) -> Tensor:
    return torch.tensor([VERDICTS.index(word) for word in words])


def _in_words(given: list[str]) -> str:
    """Of verdicts that are no single known mistake's: two mistakes at once, or the first log."""
    asked = logs()[::2] + logs()[1::2]
    words = [VERDICTS.index(word) for word in given]

    def build(**pieces: Any) -> Callable:
        theirs = _diagnosis(**pieces)
        return lambda log, k: VERDICTS.index(theirs(log, k))

    if message := agreeing(words, asked, both(build, **PARTS)):
        return message
    verdicts = [_diagnosis()(*log) for log in asked]
    wrong = [i for i, (g, v) in enumerate(zip(given, verdicts, strict=True)) if g != v]
    (log, k), got, verdict = asked[wrong[0]], given[wrong[0]], verdicts[wrong[0]]
    end = _quarter(log)
    h, u, d = (sum(x[key] for x in end) / len(end) / math.log(k) for key in KEYS)
    return (
        f"A log of {len(log)} line{'s' * (len(log) > 1)} (K = {k}) is {verdict}, and you call it "
        f"{got}. Over its last {len(end)}, h = {h:.3f}, u = {u:.3f} and d = {d:.3f}, in units of "
        f"ln K. {BECAUSE[verdict]} {LESSONS.get((verdict, got), '')}"
    ).strip()
