"""Exercise 4.3, which view predicts which: tells apart pairs of a view with itself, pairs that are
missing or turned round, and numbers of views that are written in.
"""

import operator
from collections.abc import Callable, Iterable
from numbers import Integral

import torch
from torch import Tensor

from minidino.checks.compare import compare, expect_everywhere
from minidino.checks.core import Wrong, call, check, expect

CASES = ((2, 10), (2, 4), (1, 5), (3, 5), (2, 2), (1, 10), (3, 11))
Pairs = list[tuple[int, int]]


def _all(teacher: Iterable, student: Iterable, keep: Callable = operator.ne) -> Pairs:
    student = list(student)
    return [(i, j) for i in teacher for j in student if keep(i, j)]


def _any(i: int, j: int) -> bool:
    return True


def _right(g: int, v: int) -> Pairs:
    return _all(range(g), range(v))


LOCALS = "The student's views are one list, globals first: the first local view is view n_global."
MISTAKES: dict[str, Callable[[int, int], Pairs]] = {
    "You kept the pairs of a view with itself. Teacher and student see the same pixels there, and "
    "the student learns to copy, not to recognise.": lambda g, v: _all(range(g), range(v), _any),
    "You have only the local student views. The student's global views count too, each against "
    "the teacher's *other* global view.": lambda g, v: _all(range(g), range(g, v)),
    "You have only the global views. The student's local views are predicted from, too; local to "
    "global is what DINO is about.": lambda g, v: _all(range(g), range(g)),
    "You have only the global views, and each with itself too.": (
        lambda g, v: _all(range(g), range(g), _any)
    ),
    "Your pairs are (student view, teacher view). The teacher's comes first.": (
        lambda g, v: _all(range(v), range(g))
    ),
    "Your pairs are (student view, teacher view), and those of a view with itself are there. The "
    "teacher's comes first, and i != j.": lambda g, v: _all(range(v), range(g), _any),
    "Each pair is there in both directions. The teacher's view is the first of a pair, and a local "
    "view never is: the teacher does not see it.": lambda g, v: sorted(
        {*_all(range(g), range(v)), *_all(range(v), range(g))}
    ),
    "Your teacher sees all views. It sees the global ones only: its target should rest on the "
    "whole picture.": lambda g, v: _all(range(v), range(v)),
    "Your teacher sees all views, and each two of them are there once. The teacher sees the global "
    "ones only, and (0, 1) and (1, 0) are two pairs.": (
        lambda g, v: _all(range(v), range(v), operator.lt)
    ),
    "Your teacher sees all views, and itself too. It sees the global ones only, and i != j.": (
        lambda g, v: _all(range(v), range(v), _any)
    ),
    "Your teacher has the *local* views. It sees the global ones, which come first.": (
        lambda g, v: _all(range(g, v), range(v))
    ),
    "Your teacher has the *local* views and your student the global ones. It is the other way "
    "round: the teacher sees the global ones, the student all.": (
        lambda g, v: _all(range(g, v), range(g))
    ),
    "(0, 1) is there and (1, 0) is not. They are two pairs: either network may have seen either "
    "view.": lambda g, v: _all(range(g), range(v), operator.lt),
    "(1, 0) is there and (0, 1) is not: j < i, or a `break` at a view's own pair where `continue` "
    "would skip it. All but equal ones count: i != j.": (
        lambda g, v: _all(range(g), range(v), operator.gt)
    ),
    "j >= i leaves out pairs that count and keeps those of a view with itself. All but equal ones "
    "count: i != j.": lambda g, v: _all(range(g), range(v), operator.le),
    "j <= i leaves out pairs that count and keeps those of a view with itself. All but equal ones "
    "count: i != j.": lambda g, v: _all(range(g), range(v), operator.ge),
    f"You numbered the local views from 0. {LOCALS}": (
        lambda g, v: _all(range(g), range(v - g), _any)
    ),
    f"You numbered the local views from 0 and skipped some. {LOCALS}": (
        lambda g, v: _all(range(g), range(v - g))
    ),
    "Each teacher view has only one student view, the next. It is compared with every view but "
    "its own.": lambda g, v: [(i, i + 1) for i in range(g)],
    "zip walks through both at once: one pair for each teacher view. Two loops, one in the other, "
    "make all.": lambda g, v: [(i, i) for i in range(g)],
    "You took n_views for the number of *local* views. It counts all of them, the global ones "
    "among them.": lambda g, v: _all(range(g), range(v + g)),
    "You took n_views for the number of *local* views, and kept the pairs of a view with itself.": (
        lambda g, v: _all(range(g), range(v + g), _any)
    ),
    "You took n_views for the number of *local* views, and have only these.": (
        lambda g, v: _all(range(g), range(g, v + g))
    ),
    "Only the first teacher view has its pairs. Is the `return` inside the outer loop?": (
        lambda g, v: _all([0], range(v))
    ),
    "Only the last teacher view has its pairs. Is the list made anew in the loop?": (
        lambda g, v: _all([g - 1], range(v))
    ),
    "Each teacher view has only the first student view that counts. Is there a `break`?": (
        lambda g, v: [(i, 1 if i == 0 else 0) for i in range(g)]
    ),
    "There is only the first pair. Is the `return` inside the loop?": lambda g, v: [(0, 1)],
    "The last student view is left out: range(n) ends at n - 1 already.": (
        lambda g, v: _all(range(g), range(v - 1))
    ),
    "The last teacher view is left out: range(n) ends at n - 1 already.": (
        lambda g, v: _all(range(g - 1), range(v))
    ),
    "One teacher view too many: range(n) has n numbers already.": (
        lambda g, v: _all(range(g + 1), range(v))
    ),
    "One student view too many: range(n) has n numbers already.": (
        lambda g, v: _all(range(g), range(v + 1))
    ),
    "Your views are numbered from 1. Numbers start at 0.": (
        lambda g, v: _all(range(1, g + 1), range(1, v + 1))
    ),
    "Your student views are numbered from 1. Numbers start at 0.": (
        lambda g, v: _all(range(g), range(1, v + 1))
    ),
    "Your student views are numbered from 1, and other pairs are skipped than those of a view with "
    "itself. Numbers start at 0.": (
        lambda g, v: _all(range(g), range(1, v + 1), lambda i, j: j != i + 1)
    ),
    "Your teacher views are numbered from 1. Numbers start at 0.": (
        lambda g, v: _all(range(1, g + 1), range(v))
    ),
    "Student view 0 is left out. It is a global view, and predicts the teacher's other ones.": (
        lambda g, v: _all(range(g), range(1, v))
    ),
    "The first teacher view is left out.": lambda g, v: _all(range(1, g), range(v)),
    "There are no pairs in your list. Is something appended to it?": lambda g, v: [],
    "Each pair is there twice; it counts once.": lambda g, v: 2 * _right(g, v),
    "The pairs of two global views are there twice. Each counts once.": (
        lambda g, v: _right(g, v) + _right(g, g)
    ),
}


def _counts(pairs: Pairs, g: int, v: int) -> Tensor:
    """How often each pair is there, with room for those that should not be."""
    n = g + v + 3
    counts = torch.zeros(n, n)
    for i, j in pairs:
        counts[max(-1, min(i, n - 2)), max(-1, min(j, n - 2))] += 1
    return counts


@check("4.3", "which view predicts which")
def check_4_3(view_pairs):
    def answer(g: int, v: int) -> Tensor:
        return _counts(_listed(call(view_pairs, g, v)), g, v)

    def counted(pairs: Callable) -> Callable:
        return lambda g, v: _counts(pairs(g, v), g, v)

    written = "Is a number written into your function that follows from its arguments?"
    expect_everywhere(
        answer,
        CASES,
        counted(_right),
        {
            f"Your pairs are right for 2 global and 8 local views, and otherwise not. {written}": (
                lambda g, v: (g, v) == (2, 10)
            ),
            f"Your pairs are right for two global views, and otherwise not. {written}": (
                lambda g, v: g == 2
            ),
            f"Your pairs are right for ten views, and otherwise not. {written}": (
                lambda g, v: v == 10
            ),
            f"Your pairs are right for eight local views, and otherwise not. {written}": (
                lambda g, v: v - g == 8
            ),
        },
    )
    try:
        compare(
            answer,
            CASES,
            counted(_right),
            {message: counted(pairs) for message, pairs in MISTAKES.items()},
        )
    except Wrong as error:
        if "is off by" not in str(error):
            raise
    for g, v in CASES:
        got, want = _listed(view_pairs(g, v)), _right(g, v)
        expect(
            set(got) != set(want) or len(got) == len(want),
            f"Of view_pairs({g}, {v}) a pair stands there twice; each counts once.",
        )
        wrong = [f"missing {pair}" for pair in want if pair not in got][:1]
        wrong += [f"too much {pair}" for pair in got if got.count(pair) > want.count(pair)][:1]
        expect(
            not wrong,
            f"view_pairs({g}, {v}) has {len(got)} pairs; expected {len(want)}. For example: "
            f"{', '.join(wrong)}.",
        )


def _listed(got) -> Pairs:
    expect(
        not isinstance(got, int | float),
        "You returned how many pairs there are. Return the pairs: [(0, 1), ...].",
    )
    expect(
        not isinstance(got, set | frozenset | dict),
        f"You returned a {type(got).__name__}; a list of pairs is asked for: square brackets.",
    )
    expect(
        isinstance(got, list | tuple),
        f"Return a list of pairs; yours is a {type(got).__name__}. A generator, such as round "
        "brackets make of a comprehension, is used up after one loop and has no len().",
    )
    for pair in got:
        expect(
            isinstance(pair, tuple | list) and len(pair) == 2,
            f"Each entry should be a pair (teacher view, student view); one of yours is {pair!r}.",
        )
        expect(
            isinstance(pair, tuple),
            f"Your pairs are lists, such as {pair!r}. Make them tuples, (i, j): `(0, 1) in pairs` "
            "would be False.",
        )
        expect(
            all(isinstance(number, Integral) and not isinstance(number, bool) for number in pair),
            f"The numbers of views should be integers; one of your pairs is {pair!r}.",
        )
    return list(got)
