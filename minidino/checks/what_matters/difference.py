"""Exercise 10.5, is it real: tells apart other differences and other ways to count divisions."""

import math
from itertools import combinations
from statistics import fmean as mean  # mean() adds fractions: 20 times slower
from statistics import median, stdev

from minidino.checks.compare import compare, same, unsteady
from minidino.checks.core import check, expect
from minidino.checks.mistakes import Table

Seeds = list[float]


def _gap(a: Seeds, b: Seeds) -> float:
    return mean(a) - mean(b)


def _divisions(a: Seeds, b: Seeds, gap=_gap) -> list[float]:
    """The difference of every way to divide all numbers into len(a) and len(b)."""
    both = [*a, *b]
    found = []
    for chosen in combinations(range(len(both)), len(a)):
        first = [both[i] for i in chosen]
        found.append(gap(first, [both[i] for i in range(len(both)) if i not in chosen]))
    return found


def _at_least(seen: float, found: list[float]) -> float:
    return mean(abs(x) >= abs(seen) - 1e-9 for x in found)


def _answer(gap=_gap, told=None, share=_at_least):
    def answer(a: Seeds, b: Seeds) -> tuple[float, float]:
        return (told or gap)(a, b), share(gap(a, b), _divisions(a, b, gap))

    return answer


GAPS = {
    "The difference is turned round: ours less theirs.": lambda a, b: _gap(b, a),
    "The difference has lost its sign. Return ours less theirs, with it.": (
        lambda a, b: abs(_gap(a, b))
    ),
    "This is the difference of the sums. That of the means is asked for.": (
        lambda a, b: sum(a) - sum(b)
    ),
    "This is the difference of the medians. That of the means is asked for.": (
        lambda a, b: median(a) - median(b)
    ),
    "This is the difference of the best seeds. A maximum grows with the number of tries; take the "
    "means.": lambda a, b: max(a) - max(b),
    "This is the difference of the first seeds. Take the means.": lambda a, b: a[0] - b[0],
    "This is the difference of the last seeds. Take the means.": lambda a, b: a[-1] - b[-1],
    "This is the gap between the ranges, worst of ours less best of theirs. Take the means.": (
        lambda a, b: min(a) - max(b)
    ),
    "This is the ratio of the means. Their difference is asked for.": (
        lambda a, b: mean(a) / mean(b)
    ),
    "This is the difference in percent of theirs. It is asked for as it is.": (
        lambda a, b: 100 * _gap(a, b) / mean(b)
    ),
    "This is the difference over the standard deviation (an effect size). It is asked for as it "
    "is.": lambda a, b: _gap(a, b) / math.sqrt((stdev(a) ** 2 + stdev(b) ** 2) / 2),
    "Both sums are divided by the number of ours. Each by its own.": (
        lambda a, b: sum(a) / len(a) - sum(b) / len(a)
    ),
    "The difference is rounded to one digit. Return it as it is.": (
        lambda a, b: round(_gap(a, b), 1)
    ),
}
SIDES = (
    "It is asked for both signs: a difference of -2 is as surprising as one of +2. Compare "
    "absolute values."
)
SHARES = {
    f"You count divisions whose difference is as large or larger, with its sign. {SIDES}": (
        lambda seen, found: mean(x >= seen - 1e-9 for x in found)
    ),
    f"You count divisions whose difference is as small or smaller, with its sign. {SIDES}": (
        lambda seen, found: mean(x <= seen + 1e-9 for x in found)
    ),
    f"You count divisions whose difference is at least the *size* of yours, and not those as far "
    f"below 0: abs() stands on one side only. {SIDES}": (
        lambda seen, found: mean(x >= abs(seen) - 1e-9 for x in found)
    ),
    f"abs() stands on one side only, that of the divisions: where ours is the lower mean all of "
    f"them count. {SIDES} abs(d) >= abs(seen) - 1e-9.": (
        lambda seen, found: mean(abs(x) >= seen - 1e-9 for x in found)
    ),
    f"You doubled the share of one side. {SIDES} (Groups of two sizes are not symmetric.)": (
        lambda seen, found: min(1.0, 2 * mean(x * _sign(seen) >= abs(seen) - 1e-9 for x in found))
    ),
    "You count only divisions whose difference is *larger*. The one that was seen counts, and "
    "those as large: at least as large (with 1e-9 to spare for rounding).": (
        lambda seen, found: mean(abs(x) > abs(seen) + 1e-9 for x in found)
    ),
    "This is 1 minus the share, or the share of smaller differences. Count those at least as "
    "large.": lambda seen, found: 1 - _at_least(seen, found),
    "You count divisions whose difference is at most as large. At least as large.": (
        lambda seen, found: mean(abs(x) <= abs(seen) + 1e-9 for x in found)
    ),
    "This is the number of divisions. Their share is asked for.": (
        lambda seen, found: float(sum(abs(x) >= abs(seen) - 1e-9 for x in found))
    ),
    "1 is added to the count and to the number of divisions, as one does where divisions are "
    "drawn. Here all are counted, the one that was seen among them.": (
        lambda seen, found: (
            (1 + sum(abs(x) >= abs(seen) - 1e-9 for x in found)) / (1 + len(found))
        )
    ),
    "The share is in percent.": lambda seen, found: 100 * _at_least(seen, found),
    "The share is of half the divisions.": lambda seen, found: 2 * _at_least(seen, found),
    "The division that was seen is not among those you count. It is one of them.": (
        lambda seen, found: (
            (sum(abs(x) >= abs(seen) - 1e-9 for x in found) - 1) / (len(found) - 1)
        )
    ),
    "The one that was seen is taken off the count, and not off the divisions. It is one of them.": (
        lambda seen, found: (sum(abs(x) >= abs(seen) - 1e-9 for x in found) - 1) / len(found)
    ),
    "Only divisions exactly as large are counted. At least as large.": (
        lambda seen, found: mean(math.isclose(abs(x), abs(seen), abs_tol=1e-9) for x in found)
    ),
    "A yes or no came back (a threshold of 0.05). The share itself is asked for.": (
        lambda seen, found: float(_at_least(seen, found) < 0.05)
    ),
    "The share is rounded to one digit.": lambda seen, found: round(_at_least(seen, found), 1),
}  # fmt: skip


# A score is there twice, and differences that are equal differ in the last digit, however their
# sums are taken: since Python 3.12 ``sum`` itself makes up for rounding.
ROUNDED = ([0.319, 0.569, 0.301], [0.733, 0.155, 0.301, 0.647])
NO_ROOM = (
    "A division whose difference is as large as yours is not always counted: sums in another order "
    "differ in their last digit. Allow 1e-9: abs(d) >= abs(seen) - 1e-9."
)
DRAWN = (
    "The share is another one each time: you draw divisions at random. There are few enough to "
    "take all: combinations(range(n + m), n)."
)
DRAWN_ALIKE = (
    "The shares are near the right ones, and each is a share of a round number: you draw so many "
    "divisions at random, from one seed. There are few enough to take all: "
    "combinations(range(n + m), n)."
)
DRAWS = [
    factor * 10**power + more for factor in (1, 2, 5) for power in (2, 3, 4) for more in (0, 1)
]


def _sign(x: float) -> float:
    return math.copysign(1.0, x)


NO_LAW = (
    "It takes the scores for draws from a normal law, and three seeds show no law. Count divisions."
)


def _t_test(a: Seeds, b: Seeds, df: float, error: float | None = None) -> float:
    """Both tails of Student's law, an integral of cos^(df - 1) by Simpson's rule."""
    if error is None:
        spread = (len(a) - 1) * stdev(a) ** 2 + (len(b) - 1) * stdev(b) ** 2
        error = math.sqrt(spread / df * (1 / len(a) + 1 / len(b)))
    end, n = math.atan(abs(_gap(a, b)) / error / math.sqrt(df)), 200
    heights = [math.cos(end * i / n) ** (df - 1) for i in range(n + 1)]
    area = heights[0] + heights[-1] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2])
    whole = math.sqrt(math.pi) * math.exp(math.lgamma(df / 2) - math.lgamma((df + 1) / 2))
    return 1 - 2 * area * end / n / 3 / whole


def _welch(a: Seeds, b: Seeds) -> float:
    u, v = stdev(a) ** 2 / len(a), stdev(b) ** 2 / len(b)
    df = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1))
    return _t_test(a, b, df, math.sqrt(u + v))


def _normal_law(a: Seeds, b: Seeds, factor: float = 1.0) -> float:
    error = math.sqrt(stdev(a) ** 2 / len(a) + stdev(b) ** 2 / len(b))
    return factor * math.erfc(abs(_gap(a, b)) / error / math.sqrt(2))


def _by_value(a: Seeds, b: Seeds) -> float:
    both = [*a, *b]
    found = [
        mean(first) - mean(x for x in both if x not in first)
        for first in combinations(both, len(a))
    ]
    return _at_least(_gap(a, b), found)


def _by_seed(a: Seeds, b: Seeds, seen: float | None = None) -> float:
    """Signs of the differences seed by seed, turned in all ways."""
    pairs = [x - y for x, y in zip(a, b, strict=False)]
    seen = abs(mean(pairs)) if seen is None else seen
    found = []
    for bits in range(2 ** len(pairs)):
        found.append(abs(mean(d if bits >> i & 1 else -d for i, d in enumerate(pairs))))
    return mean(x >= seen - 1e-9 for x in found)


def _merged(a: Seeds, b: Seeds) -> float:
    both = sorted([*a, *b])
    rest = len(b)
    found = {
        chosen: sum(chosen) / len(a) - (sum(both) - sum(chosen)) / rest
        for chosen in combinations(both, len(a))
    }
    return _at_least(_gap(a, b), [*found.values()])


def _by_ours(first: Seeds, second: Seeds) -> float:
    """Both by the number of the first."""
    return (sum(first) - sum(second)) / len(first)


def _mistakes() -> Table:
    table = {m: _answer(told=gap) for m, gap in GAPS.items()}
    table |= {
        f"{m} (The share of divisions is counted by the same wrong difference.)": _answer(gap)
        for m, gap in GAPS.items()
        if not m.startswith(("The difference is turned", "The difference has lost", "This is the "
                             "difference in percent", "Both sums", "The difference is rounded"))
    }  # fmt: skip
    table |= {m: _answer(share=share) for m, share in SHARES.items()}
    right = _answer()

    def with_share(share):
        return lambda a, b: (_gap(a, b), share(a, b))

    return table | {
        "The two results are swapped: first the difference, then the share.": (
            lambda a, b: right(a, b)[::-1]
        ),
        "The difference alone came back. Return two numbers.": lambda a, b: right(a, b)[0],
        "The share alone came back. Return two numbers.": lambda a, b: right(a, b)[1],
        "The share is that of a normal law, with the two standard errors. With three seeds each "
        "nobody knows the law: count divisions.": with_share(_normal_law),
        "The share is one side of a normal law. Count divisions.": with_share(
            lambda a, b: _normal_law(a, b, 0.5)
        ),
        f"The share is that of a t-test. {NO_LAW}": with_share(
            lambda a, b: _t_test(a, b, len(a) + len(b) - 2)
        ),
        f"The share is that of Welch's t-test. {NO_LAW}": with_share(_welch),
        "You paired runs by their seed and turned signs. Two methods' seeds have nothing in common "
        "but their number: divide all numbers anew.": with_share(_by_seed),
        "You paired runs by their seed and turned signs, and compared with the difference of the "
        "means. Two methods' seeds have nothing in common but their number: divide all numbers "
        "anew.": with_share(lambda a, b: _by_seed(a, b, abs(_gap(a, b)))),
        "The count is divided by the number of *ordered* choices (math.perm). The order within a "
        "group says nothing: math.comb(n + m, n).": with_share(
            lambda a, b: _at_least(_gap(a, b), _divisions(a, b)) / math.factorial(len(a))
        ),
        "Equal scores make equal groups, and you count these once (a set, or sorted values). Each "
        "division counts: choose by position, combinations(range(n + m), n).": with_share(_merged),
        "In each division both sums are divided by the number of ours. Each group by its own.": (
            with_share(lambda a, b: _at_least(_gap(a, b), _divisions(a, b, _by_ours)))
        ),
        "The rest is chosen by value, so where two scores are equal one is lost. Choose by "
        "position.": with_share(_by_value),
        "All groups of half the numbers are made. Ours has len(ours) of them.": with_share(
            lambda a, b: _halves(a, b)
        ),
        "The groups of a division overlap: the second is drawn from all numbers, too. What is not "
        "in the first is the second.": with_share(_overlapping),
        "Every division is compared with the mean of all, and not first with second.": with_share(
            _against_all
        ),
    }


def _halves(a: Seeds, b: Seeds) -> float:
    both = [*a, *b]
    n = len(both) // 2
    return _at_least(_gap(a, b), _divisions(both[:n], both[n:]))


def _overlapping(a: Seeds, b: Seeds) -> float:
    both = [*a, *b]
    found = [
        mean(x) - mean(y) for x in combinations(both, len(a)) for y in combinations(both, len(b))
    ]
    return _at_least(_gap(a, b), found)


def _against_all(a: Seeds, b: Seeds) -> float:
    both = [*a, *b]
    return _at_least(_gap(a, b), [mean(x) - mean(both) for x in combinations(both, len(a))])


@check("10.5", "is this difference real?")
def check_10_5(is_it_real):
    cases = [
        ([96.5, 97.25, 95.0], [94.0, 95.5, 94.75, 96.0, 93.5]),
        ([60.0, 64.5, 61.25, 66.0], [63.5, 70.25, 71.0]),
        ([0.51, 0.47, 0.62, 0.44, 0.58], [0.4, 0.49, 0.39, 0.53]),
        ([12.5, 14.0], [11.0, 13.25, 12.75, 10.0]),
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),  # by hand: -3, and 2 of 20 divisions
        ROUNDED,
    ]
    given = []

    def answer(a, b):
        mine = [list(a), list(b)]
        got = is_it_real(*mine)
        expect(mine == [a, b], "Your function changes a list it was given. Make a new one.")
        got = tuple(map(_number, got)) if isinstance(got, tuple | list) else _number(got)
        given.append(got)
        return got

    answer.__name__ = getattr(is_it_real, "__name__", "it")
    compare(
        answer,
        cases,
        _answer(),
        _mistakes(),
        "two numbers",
        "What you return",
        clues={DRAWN: unsteady(answer, cases[0])},
        otherwise=lambda *_: _told(answer, given[: len(cases)], cases),
    )


def _told(answer, got: list, cases: list[tuple]) -> str | None:
    if _near(got, cases):
        return DRAWN if unsteady(answer, cases[0])([]) else DRAWN_ALIKE
    return NO_ROOM if _right_but_the_last(got, cases) else None


def _near(got: list, cases: list[tuple]) -> bool:
    """The differences are right, and the shares are as near as draws bring them, and of draws."""
    right = [_answer()(*case) for case in cases]
    if not all(
        isinstance(g, tuple) and same(g[:1], r[:1]) for g, r in zip(got, right, strict=True)
    ):
        return False
    shares = [(g[1], r[1]) for g, r in zip(got, right, strict=True)]
    rounded = any(all(round(p, d) == g for g, p in shares) for d in range(1, 6))
    whole = any(all(abs(g * n - round(g * n)) < 1e-6 for g, _ in shares) for n in DRAWS)
    return whole and not rounded and max(abs(g - p) for g, p in shares) < 0.1


def _right_but_the_last(got: list, cases: list[tuple]) -> bool:
    """Right, but for too small a share where rounding decides."""
    *right, (gap, share) = (_answer()(*case) for case in cases)
    *others, last = got
    return (
        len(others) == len(right)
        and all(map(same, others, right))
        and isinstance(last, tuple)
        and same(last[0], gap)
        and last[1] < share
    )


def _number(x):
    return float(x) if hasattr(x, "__float__") else x
