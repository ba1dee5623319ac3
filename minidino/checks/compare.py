"""A learner's function beside the right one and beside known mistakes, on several cases.

A *mistake* is a function of the exercise's arguments that does what a learner might have
done. It is named when it gives what the learner's function gives in every case, a value or an
exception: what agrees in one case may be a coincidence. Where no known mistake agrees, the
result is described by how it relates to the right one (its negative, a K-th of it, its
transpose), if one relation holds in every case.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, close, expect, expect_close

Mistakes = Mapping[str, Callable[..., Any]]
ROUGHLY = 0.01  # of the larger of 1 and the largest value
NAN = (  # every mistake that ends here looks the same
    "nan, which many mistakes give: 0 / 0, inf - inf, exp of a large number, a root or a logarithm "
    "of a negative one. Print what goes in, step by step, and see where it begins."
)

# What was compared, if a test listens: (what, cases, want, mistakes).
heard: list[tuple] | None = None


def compare(
    answer: Callable,
    cases: Sequence[tuple],
    want: Callable[..., Any],
    mistakes: Mistakes | None = None,
    names: str = "",
    what: str = "The result",
    tolerance: float = 1e-4,
    *,
    at_once: Iterable[tuple[str, Callable]] = (),
    clues: Mapping[str, Callable[[list], bool]] | None = None,
    properties: Mapping[str, Callable[[Any, Any], bool]] | None = None,
    otherwise: Callable[[tuple, Any, Any], str | None] | None = None,
) -> list[Any]:
    """What ``answer`` returns in each of ``cases``; it must be what ``want`` returns.

    Args:
        cases: of positional arguments; two at least, in which the mistakes differ from
            ``want`` and from each other (tests/test_mistakes.py holds that they do).
        want: the right function, independent of the solution. Like every mistake it may
            return a tensor, a number, or a tuple of these.
        mistakes: what is wrong, in words -> the function that goes wrong so. One that returns
            a torch.Size stands for every result of that shape.
        names: what the dimensions of the result are, "(rows, K)".
        tolerance: see ``core.close``.
        at_once: further mistakes, two of the first at a time (``mistakes.both``), made one by
            one until one agrees in every case; asked where none alone does.
        clues: what is wrong, in words -> whether it shows in what came out in each case (a value
            or an exception); asked where no mistake agrees and nothing relates (``shaped``,
            ``right_where``, ``unsteady``, or the exercise's own).
        properties: what may be true of a wrong result, in words -> whether it is, given the
            result and the right one. Said where nothing else is known and it holds in every case
            that is wrong, if these are two or more.
        otherwise: (case, got, right) -> what to say of a wrong result that is no known
            mistake's, in place of how it relates to the right one; None: nothing.

    Raises:
        Wrong: with the mistake's name; else with how the results relate, a property, or a clue;
            else with shape or difference.
        Exception: the learner's own, where it is not a known mistake's.
    """
    mistakes = mistakes or {}
    if heard is not None:
        heard.append((what, cases, want, mistakes, tolerance))
    got, right = [], []
    for case in cases:
        right.append(outcome(want, case))
        try:
            got.append(call(answer, *case))
        except Wrong:
            raise
        except Exception as error:
            got.append(error)
    if _agree(got, right, tolerance):
        return got
    blank = all(_blank(g) for g, r in zip(got, right, strict=True) if not same(g, r, tolerance))
    if message := _known(got, right, cases, mistakes, tolerance) or agreeing(
        got, cases, at_once, tolerance
    ):
        raise Wrong(f"{what} is {NAN} Or it is this. {message}" if blank else message)
    expect(not blank, f"{what} is {NAN}")
    if otherwise is not None:
        for case, g, r in zip(cases, got, right, strict=True):
            told = (
                None if same(g, r, tolerance) or isinstance(g, Exception) else otherwise(case, g, r)
            )
            if told:
                raise Wrong(told)
    for g, r in zip(got, right, strict=True):
        if isinstance(g, tuple | list | dict) and _is_number(r):
            raise Wrong(f"Return one number; yours is a {type(g).__name__} of {len(g)}.")
    if relation := relate(got, right, tolerance):
        raise Wrong(f"{what} is not right: {relation}")
    pairs = [p for p in zip(got, right, strict=True) if not same(*p, tolerance)]
    for message, holds in (properties or {}).items():
        if len(pairs) > 1 and all(_true_of(holds, *p) for p in pairs):
            raise Wrong(message)
    for message, shows in (clues or {}).items():
        if shows(got):
            raise Wrong(message)
    for g in got:
        if isinstance(g, Exception):
            raise g
    expect(
        not _agree(got, right, ROUGHLY),
        f"{what} is not right: yours agrees to two digits or three, and no further: something is "
        "rounded or computed in half precision, or a small number (an eps) is in it.",
    )
    for g, r in zip(got, right, strict=True):
        if not isinstance(r, tuple):
            expect_close(g, r, None, names, what, tolerance)
            continue
        if not isinstance(g, tuple | list) or len(g) != len(r):
            raise Wrong(f"{what} should be {len(r)} things, a tuple.")
        for i, (part, whole) in enumerate(zip(g, r, strict=True), 1):
            expect_close(part, whole, None, names, f"{what}, part {i},", tolerance)
    return got


def _blank(x: Any) -> bool:
    """A result of nothing but nan."""
    return isinstance(x, Tensor) and x.numel() > 0 and bool(x.isnan().all())


def _true_of(holds: Callable[[Any, Any], bool], got: Any, right: Any) -> bool:
    try:
        return bool(holds(got, right))
    except Exception:  # of another shape or kind than the property speaks of
        return False


def _known(
    got: list, right: list, cases: Sequence[tuple], mistakes: Mistakes, tolerance: float
) -> str | None:
    """The mistake that gives what the learner's function gives, or None.

    In every case; else in all cases that are wrong and raise nothing, if these are two or
    more; else, of tuples, in the first part that is wrong.
    """
    made = functools.cache(lambda message, i: outcome(mistakes[message], cases[i]))
    wrong = [
        i
        for i, (g, r) in enumerate(zip(got, right, strict=True))
        if not isinstance(g, Exception) and not same(g, r, tolerance)
    ]
    for among in [range(len(cases)), *([wrong] if len(wrong) > 1 else [])]:
        for message in mistakes:  # most part with the learner's in the first case
            if all(same(got[i], made(message, i), tolerance) for i in among):
                return message
    lengths = {len(x) if isinstance(x, tuple | list) else None for x in (*got, *right)}
    if len(lengths) > 1 or None in lengths:
        return None
    (n,) = lengths
    theirs = [[made(message, i) for i in range(len(cases))] for message in mistakes]
    parts = (_parts(outcomes, n) for outcomes in (got, right, *theirs))
    for mine, true, *known in zip(*parts, strict=True):
        if not _agree(mine, true, tolerance):
            named = zip(mistakes, known, strict=True)
            return next((message for message, k in named if _agree(mine, k, tolerance)), None)
    return None


def _parts(outcomes: Sequence[Any], n: int) -> list[tuple]:
    """Of outcomes that are tuples of n: the first parts of all of them, the second parts, ...

    What is no tuple of n, such as an exception, stands for each of its parts.
    """

    def part(x: Any, i: int) -> Any:
        return x[i] if isinstance(x, tuple | list) and len(x) == n else x

    return [tuple(part(x, i) for x in outcomes) for i in range(n)]


def _agree(a: Sequence[Any], b: Sequence[Any], tolerance: float) -> bool:
    return all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))


def shaped(cases: Sequence[tuple], shape: Callable[..., Sequence[int]]) -> Callable:
    """A clue: every result has this shape, a function of the case's arguments."""
    wrong = [tuple(shape(*case)) for case in cases]
    return lambda got: all(
        isinstance(g, Tensor) and tuple(g.shape) == s for g, s in zip(got, wrong, strict=True)
    )


def right_where(
    answer: Callable,
    want: Callable,
    cases: Sequence[tuple],
    where: Callable[..., bool],
    more: Sequence[tuple],
) -> Callable:
    """A clue: of ``cases`` the answer is right just where ``where`` says, and right in ``more``."""

    def just_there(got: list) -> bool:
        told = zip(got, cases, strict=True)
        return all(same(g, outcome(want, c)) == bool(where(*c)) for g, c in told) and all(
            same(_tried(answer, c), outcome(want, c)) for c in more
        )

    return just_there


def _tried(answer: Callable, case: tuple) -> Any:
    try:
        return answer(*case)
    except Exception as error:
        return error


def unsteady(answer: Callable, case: tuple) -> Callable:
    """A clue: the same arguments give another result another time."""

    def again(got: list) -> bool:
        a = _tried(answer, case)
        if isinstance(a, Exception) or not same(a, a):
            return False
        # A share of 1,000 draws is the same by chance one time in thirty.
        return any(not same(a, _tried(answer, case), 1e-6) for _ in range(4))

    return again


def unused(answer: Callable, case: tuple, argument: int) -> Callable:
    """A clue: doubling this argument of the case makes no difference."""
    other = (*case[:argument], 2 * case[argument], *case[argument + 1 :])

    def alike(got: list) -> bool:
        a, b = (_tried(answer, c) for c in (case, other))
        return not isinstance(a, Exception) and same(a, b, 1e-6)

    return alike


def outcome(function: Callable, case: tuple) -> Any:
    """What a reference or a mistake returns in float64, or the exception that it raises."""

    def wide(a: Any) -> Any:
        if not isinstance(a, Tensor):
            return a
        return a.detach().double() if a.is_floating_point() else a.clone()

    try:
        return function(*map(wide, case))
    except Exception as error:
        return error


def same(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    """Two outcomes are one: the same numbers, or exceptions of the same words."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b) and str(a) == str(b)
    if isinstance(a, torch.Size) or isinstance(b, torch.Size):
        return _shape(a) == _shape(b)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    number = int | float | Tensor
    if not (isinstance(a, number) and isinstance(b, number)):
        return False
    return close(torch.as_tensor(a), torch.as_tensor(b), tolerance)


def expect_everywhere(
    answer: Callable,
    cases: Sequence[tuple],
    want: Callable[..., Any],
    only: Mapping[str, Callable[..., bool]],
    tolerance: float = 1e-4,
) -> None:
    """Where ``answer`` is right in some cases and wrong in others: what the right ones share.

    Args:
        only: what is likely the matter -> whether a case (its arguments) is one in which the
            answer is right all the same. Named if it tells all cases apart as they turn out.
    """
    right = []
    for case in cases:
        try:
            got = call(answer, *case)
        except Wrong:
            return
        except Exception as error:
            got = error
        right.append(same(got, outcome(want, case), tolerance))
    if any(right) and not all(right):
        for message, holds in only.items():
            if [bool(holds(*case)) for case in cases] == right:
                raise Wrong(message)


def _shape(x: Any) -> Any:
    return x if isinstance(x, torch.Size) else getattr(x, "shape", None)


def agreeing(
    got: Sequence[Any],
    cases: Sequence[tuple],
    mistakes: Iterable[tuple[str, Callable]],
    tolerance: float = 1e-4,
) -> str | None:
    """The first of many mistakes that gives ``got`` in every one of ``cases``, or None."""
    for message, mistake in mistakes:
        told = zip(cases, got, strict=True)
        if all(same(outcome(mistake, case), g, tolerance) for case, g in told):
            return message
    return None


# ---------------------------------------------------------------- how a wrong result relates

LN2, LN10 = math.log(2), math.log(10)
RELATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "the sign is turned round; yours is its negative.": lambda w: -w,
    "yours is 1.44 x the right one, 1 / ln 2: a logarithm of base 2 (bits). Nats take the natural "
    "one.": lambda w: w / LN2,
    "yours is 0.43 x the right one, 1 / ln 10: a logarithm of base 10. Nats take the natural "
    "one.": lambda w: w / LN10,
    "yours is its reciprocal: what divides and what is divided are swapped.": lambda w: 1 / w,
    "yours is its square root.": lambda w: w.clamp(min=0).sqrt(),
    "yours is its square: is a root missing?": lambda w: w.square(),
    "yours is its logarithm.": lambda w: w.log(),
    "yours is its exponential.": lambda w: w.exp(),
    "yours is 1 minus the right one.": lambda w: 1 - w,
    "yours is rounded to whole numbers: is something made an int?": lambda w: w.round(),
    "yours is cut to whole numbers: is something made an int, or // written for /?": (
        lambda w: w.trunc()
    ),
    "yours has lost its signs: it is the absolute value.": lambda w: w.abs(),
    "yours is 0 where it should be negative: a relu or a clamp.": lambda w: w.clamp(min=0),
    "yours is cut to 0..1: a clamp.": lambda w: w.clamp(0, 1),
    "yours stops at 1: something is clamped.": lambda w: w.clamp(max=1),
    "yours is a softmax of it: one softmax too many.": lambda w: w.softmax(-1),
    "yours holds for 3 digits: something is computed in half precision (float16).": (
        lambda w: w.half().double()
    ),
    "yours holds for 2 digits: something is computed in half precision (bfloat16).": (
        lambda w: w.bfloat16().double()
    ),
    "yours has lost its dimensions of size 1: squeeze(), or an index where a slice belongs.": (
        lambda w: w.squeeze()
    ),
    "yours is the sum of everything; more than one number is asked for.": lambda w: w.sum(),
    "yours is the mean of everything; more than one number is asked for.": lambda w: w.mean(),
}
# Of single numbers that are one and the same these say nothing: many numbers become 0 or 1 so.
LOSSY = [s for s in RELATIONS if any(w in s for w in ("whole numbers", "clamp", "softmax"))]
ALONG: dict[str, Callable[[Tensor, int], Tensor]] = {
    "yours runs backwards along dimension {d}.": lambda w, d: w.flip(d),
    "yours is shifted by one along dimension {d}: what belongs to i stands at i + 1.": (
        lambda w, d: w.roll(1, d)
    ),
    "yours is shifted by one along dimension {d}: what belongs to i + 1 stands at i.": (
        lambda w, d: w.roll(-1, d)
    ),
    "yours is a running sum along dimension {d}.": lambda w, d: w.cumsum(d),
    "yours is summed over dimension {d}; that dimension should stay.": lambda w, d: w.sum(d),
    "yours is averaged over dimension {d}; that dimension should stay.": lambda w, d: w.mean(d),
    "yours has the first entry of dimension {d} only.": lambda w, d: w.select(d, 0),
    "yours has the last entry of dimension {d} only.": lambda w, d: w.select(d, -1),
    "yours has the first entry of dimension {d} only, and keeps the dimension.": (
        lambda w, d: w.narrow(d, 0, 1)
    ),
    "yours leaves out the first entry of dimension {d}.": (
        lambda w, d: w.narrow(d, 1, w.shape[d] - 1)
    ),
    "yours leaves out the last entry of dimension {d}.": (
        lambda w, d: w.narrow(d, 0, w.shape[d] - 1)
    ),
}


def _relations(rank: int) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    yield from RELATIONS.items()
    for d in (-1, *range(rank)):
        yield (
            f"yours has a dimension of size 1 too many, number {d} (keepdim or unsqueeze).",
            partial(torch.unsqueeze, dim=d),
        )
    for d in range(rank):
        yield (
            f"yours lacks dimension {d}, of size 1 (keepdim=True keeps it).",
            partial(torch.squeeze, dim=d),
        )
        for words, relation in ALONG.items():
            yield words.format(d=d), partial(relation, d=d)
        for e in range(d):
            yield f"dimensions {e} and {d} are swapped.", lambda w, d=d, e=e: w.transpose(d, e)
            yield (
                f"its numbers lie as if dimensions {e} and {d} were swapped: a view or reshape "
                "where a transpose belongs.",
                lambda w, d=d, e=e: w.transpose(d, e).reshape(w.shape),
            )


def relate(got: Sequence[Any], want: Sequence[Any], tolerance: float = 1e-4) -> str | None:
    """The relation in which every wrong result stands to the right one, in words, or None.

    Of tuples the first part that is wrong in some case is looked at.
    """
    if all(isinstance(w, tuple) for w in want):
        lengths = {len(w) for w in want}
        if not all(isinstance(g, tuple | list) and {len(g)} == lengths for g in got):
            return None
        for g, w in zip(zip(*got, strict=True), zip(*want, strict=True), strict=True):
            if not _agree(g, w, tolerance):
                return relate(g, w, tolerance)
    if not all(isinstance(x, int | float | Tensor) for x in (*got, *want)):
        return None
    pairs = [(_number(g), _number(w)) for g, w in zip(got, want, strict=True)]
    if _constant(pairs, tolerance):
        return f"yours is {pairs[0][0].item() + 0.0:.4g}, whatever is given."
    pairs = [(g, w) for g, w in pairs if w.numel() and not close(g, w, tolerance)]
    if not pairs:
        return None
    vague = LOSSY if all(close(g, pairs[0][0], tolerance) and not g.ndim for g, _ in pairs) else ()
    for words, relation in _relations(min(w.ndim for _, w in pairs)):
        if words not in vague and all(close(g, relation(w), tolerance) for g, w in pairs):
            return words
    return _factor(pairs, tolerance)


def _constant(pairs: Sequence[tuple[Tensor, Tensor]], tolerance: float) -> bool:
    """One and the same number in every case, where different ones are right.

    A clamp, a softmax or a rounding of single numbers may all give it: it tells of none of them.
    """
    first, right = pairs[0]
    if len(pairs) < 2 or any(x.ndim for pair in pairs for x in pair) or not first.isfinite():
        return False
    return all(close(g, first, tolerance) for g, _ in pairs) and not all(
        close(w, right, tolerance) for _, w in pairs
    )


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) or (isinstance(x, Tensor) and x.ndim == 0)


def _number(x: Any) -> Tensor:
    return torch.as_tensor(x).detach().cpu().double()


def _factor(pairs: Sequence[tuple[Tensor, Tensor]], tolerance: float) -> str | None:
    """One number between the two, in every case the same or in each case another."""
    if not all(g.shape == w.shape for g, w in pairs):
        return None
    if not all(g.isfinite().all() and w.isfinite().all() for g, w in pairs):
        return None
    added = [(g - w).mean().item() for g, w in pairs]
    if all(close(g, w + added[0], tolerance) for g, w in pairs):
        return f"yours is the right one {'plus' if added[0] > 0 else 'minus'} {abs(added[0]):.4g}."
    ratios = [((g * w).sum() / (w * w).sum().clamp(min=1e-30)).item() for g, w in pairs]
    if (len(pairs) < 2 and pairs[0][0].numel() < 2) or min(map(abs, ratios)) < 1e-6:
        return None
    if not all(close(g, r * w, tolerance) for r, (g, w) in zip(ratios, pairs, strict=True)):
        return None
    if max(ratios) - min(ratios) < 1e-3 * abs(ratios[0]):
        digits = 4 if abs(ratios[0] - 1) > 1e-3 else 6
        return f"yours is {ratios[0]:.{digits}g} x the right one."
    if all(w.numel() > 1 for _, w in pairs):
        told = ", ".join(f"{r:.4g}" for r in ratios)
        return (
            f"yours is the right one times a number ({told}): a sum in place of a mean, a mean in "
            "place of a sum, or a size that should divide."
        )
    return None
