"""Exercise 13.4, RoPE in two dimensions: tells apart who is turned, which numbers form a pair, by
what angle, and which way.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, close, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import Table


def _centers(n: int) -> Tensor:
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 - 1


def _grid(y: Tensor, x: Tensor) -> Tensor:
    """(N, 2): y and x of each patch, row by row."""
    return torch.stack([y.repeat_interleave(len(x)), x.repeat(len(y))], 1)


def _places(h: int, w: int) -> Tensor:
    return _grid(_centers(h), _centers(w))


def _periods(d: int, base: float) -> Tensor:
    return torch.tensor([base ** (4 * i / d) for i in range(d // 4)], dtype=torch.float64)


def _angles(places: Tensor, periods: Tensor) -> Tensor:
    """(N, d / 2): a quarter by y, a quarter by x."""
    return (2 * math.pi * places[:, :, None] / periods).flatten(1)


def _halves(x: Tensor, angles: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _last(x: Tensor, n: int) -> int:
    """Where the patches begin."""
    return x.shape[-2] - n


def _rope(
    places=_places, periods=_periods, angles=_angles, turn=_halves, begin=_last
) -> Callable:  # fmt: skip
    def answer(x: Tensor, h: int, w: int, base: float) -> Tensor:
        at = angles(places(h, w), periods(x.shape[-1], base))
        first = begin(x, h * w)
        before, patches, after = x.tensor_split((first, first + h * w), -2)
        return torch.cat([before, turn(patches, at), after], -2)

    return answer


COORDINATES = (
    "The coordinates of a patch are those of its middle, from -1 to 1 in either direction: "
    "2 (i + 1/2) / h - 1."
)
PLACES: dict[str, Callable] = {
    f"Coordinates count patches, 0, 1, 2 ... {COORDINATES}": lambda h, w: _grid(
        torch.arange(h).double(), torch.arange(w).double()
    ),
    f"Coordinates run from 0 to 1. {COORDINATES}": lambda h, w: (_places(h, w) + 1) / 2,
    f"Coordinates are those of the corners: linspace(-1, 1) begins and ends at the rim. "
    f"{COORDINATES}": lambda h, w: _grid(
        torch.linspace(-1, 1, h).double(), torch.linspace(-1, 1, w).double()
    ),
    f"The half is missing: coordinates are those of a patch's upper left corner. {COORDINATES}": (
        lambda h, w: _grid(*((torch.arange(n) / n * 2 - 1).double() for n in (h, w)))
    ),
    "Both coordinates are divided by the longer side. Each by its own: h for y, w for x.": (
        lambda h, w: _grid(
            *(((torch.arange(n) + 0.5) * 2 - n).double() / max(h, w) for n in (h, w))
        )
    ),
    "Both coordinates are divided by the shorter side. Each by its own: h for y, w for x.": (
        lambda h, w: _grid(
            *(((torch.arange(n) + 0.5) * 2 - n).double() / min(h, w) for n in (h, w))
        )
    ),
    "The sides are swapped where coordinates are divided: y by w and x by h.": (
        lambda h, w: _grid(
            *(((torch.arange(n) + 0.5) / m * 2 - 1).double() for n, m in ((h, w), (w, h)))
        )
    ),
    "Both coordinates are divided by h. Each by its own: h for y, w for x.": (
        lambda h, w: _grid(*(((torch.arange(n) + 0.5) / h * 2 - 1).double() for n in (h, w)))
    ),
    "Both coordinates are divided by w. Each by its own: h for y, w for x.": (
        lambda h, w: _grid(*(((torch.arange(n) + 0.5) / w * 2 - 1).double() for n in (h, w)))
    ),
    "x stands before y: the first quarter of the numbers turns by y, the height.": (
        lambda h, w: _places(h, w).flip(1)
    ),
    "The patches are numbered column by column (meshgrid with indexing='xy', or h and w swapped). "
    "Row by row.": lambda h, w: _grid(_centers(w), _centers(h)).flip(1),
    "The patches are numbered column by column, and x stands before y.": (
        lambda h, w: _grid(_centers(w), _centers(h))
    ),
    "Both coordinates are y: the width has no part in it.": (
        lambda h, w: _places(h, w)[:, :1].expand(-1, 2)
    ),
    "Both coordinates are x: the height has no part in it.": (
        lambda h, w: _places(h, w)[:, 1:].expand(-1, 2)
    ),
    "Patches are numbered in one line (n of 0 ... N - 1), as words in a sentence. A picture has "
    "two coordinates.": lambda h, w: torch.arange(h * w).double()[:, None].expand(-1, 2),
    "y points up: it is negative above the middle.": (
        lambda h, w: _places(h, w) * torch.tensor([-1.0, 1.0])
    ),
    "Every patch has the sum of both coordinates. A quarter turns by y, a quarter by x.": (
        lambda h, w: _places(h, w).sum(1, keepdim=True).expand(-1, 2)
    ),
}
PERIOD = "Periods are base^(4 i / d) for i = 0 ... d/4 - 1: from 1 to nearly base."
PERIODS: dict[str, Callable] = {
    f"The exponent is 2 i / d, as for one coordinate; here two share the numbers. {PERIOD}": (
        lambda d, base: base ** (torch.arange(d // 4).double() * 2 / d)
    ),
    f"The exponent is i / d. {PERIOD}": lambda d, base: base ** (torch.arange(d // 4).double() / d),
    f"The exponent begins with i = 1. {PERIOD}": (
        lambda d, base: base ** ((torch.arange(d // 4).double() + 1) * 4 / d)
    ),
    f"The exponent reaches 1: the last period is base (linspace). {PERIOD}": (
        lambda d, base: base ** torch.linspace(0, 1, d // 4).double()
    ),
    f"Periods stand in the reverse order. {PERIOD}": lambda d, base: _periods(d, base).flip(0),
    "Periods multiply the coordinates (or are base to a negative power). They divide.": (
        lambda d, base: 1 / _periods(d, base)
    ),
    "All periods are 1: the base is not used.": lambda d, base: torch.ones(d // 4).double(),
    "All periods are the base.": lambda d, base: torch.full((d // 4,), base).double(),
    **{
        f"A base of {b} is written in. It is an argument.": (
            lambda d, base, b=b: _periods(d, float(b))
        )
        for b in (100, 10000)
    },
}  # fmt: skip
ANGLES: dict[str, Callable] = {
    "2 pi is missing: a period is one whole turn.": lambda p, t: _angles(p, t) / (2 * math.pi),
    "Angles are half as large: pi where 2 pi belongs, or coordinates from -1/2 to 1/2.": (
        lambda p, t: _angles(p, t) / 2
    ),
    "Angles are in degrees, 360 / period. cos and sin take radians, 2 pi.": (
        lambda p, t: _angles(p, t) * 180 / math.pi
    ),
    "The angles turn the other way: their sign is turned round, or that of the sines. (a, b) "
    "becomes (a cos - b sin, b cos + a sin).": lambda p, t: -_angles(p, t),
    "y and x take turns number by number, y0 x0 y1 x1 ... First all periods of y, then all of x.": (
        lambda p, t: (2 * math.pi * p[:, None] / t[:, None]).flatten(1)
    ),
    "The angles are all 0, or nothing is turned.": lambda p, t: 0 * _angles(p, t),
}
PAIRS = (
    "Number i is turned together with number i + d / 2 (rotate half): a, b = x.chunk(2, dim=-1)."
)


def _neighbours(x: Tensor, angles: Tensor) -> Tensor:
    """Number 2 i together with 2 i + 1."""
    turned = _halves(torch.cat([x[..., ::2], x[..., 1::2]], -1), angles)
    return torch.stack(turned.chunk(2, -1), -1).flatten(-2)


def _quarters(x: Tensor, angles: Tensor) -> Tensor:
    """The first half of the numbers by y and the second by x, each in halves of its own."""
    return torch.cat(
        [_halves(part, a) for part, a in zip(x.chunk(2, -1), angles.chunk(2, -1), strict=True)], -1
    )


def _mixed(cosine: Callable, other: Callable) -> Callable:
    """x * cos + turned * sin, with these for the angles of all d numbers and the turned numbers."""

    def turn(x: Tensor, angles: Tensor) -> Tensor:
        cos, sin = cosine(angles)
        return x * cos.to(x.dtype) + other(x) * sin.to(x.dtype)

    return turn


def _all(angles: Tensor) -> tuple[Tensor, Tensor]:
    return angles.tile(2).cos(), angles.tile(2).sin()


def _interleaved(angles: Tensor) -> tuple[Tensor, Tensor]:
    return angles.repeat_interleave(2, -1).cos(), angles.repeat_interleave(2, -1).sin()


def _turned(x: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


def _turned_neighbours(x: Tensor) -> Tensor:
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)


TURNS: dict[str, Callable] = {
    f"Neighbours are pairs, number 2 i with 2 i + 1, as in the RoFormer's paper. Here: {PAIRS}": (
        _neighbours
    ),
    f"y turns the first half of the numbers and x the second, each in halves of its own. Here one "
    f"pair reaches from the first half of all numbers to the second: {PAIRS}": _quarters,
    "The angles stand twice each, one beside the other (repeat_interleave), while pairs are half "
    "of the numbers apart. Repeat the line of angles (tile).": _mixed(_interleaved, _turned),
    "The angles are repeated as a line (tile), while the pairs are neighbours. " + PAIRS: _mixed(
        _all, _turned_neighbours
    ),
    "The minus is missing: (a, b) becomes (a cos + b sin, ...). This is a mirror, not a turn. "
    "(-b, a).": _mixed(_all, lambda x: torch.cat(x.chunk(2, -1)[::-1], -1)),
    "The halves are not exchanged: each number meets its own sine, x cos + x sin. (-b, a).": _mixed(
        _all, lambda x: x
    ),
    "The halves are not exchanged, with a minus before the first. (-b, a).": _mixed(
        _all, lambda x: torch.cat([-x.chunk(2, -1)[0], x.chunk(2, -1)[1]], -1)
    ),
    "Both halves are negated: (-b, -a) in place of (-b, a).": _mixed(
        _all, lambda x: -torch.cat(x.chunk(2, -1)[::-1], -1)
    ),
    "The numbers run backwards (a flip) where halves are exchanged. (-b, a).": _mixed(
        _all, lambda x: x.flip(-1)
    ),
    "Only the cosine is there: numbers shrink and nothing turns. x cos + (-b, a) sin.": (
        lambda x, angles: x * _all(angles)[0].to(x.dtype)
    ),
    "Only the sine is there. x cos + (-b, a) sin.": (
        lambda x, angles: _turned(x) * _all(angles)[1].to(x.dtype)
    ),
    "Sine and cosine are exchanged.": _mixed(lambda a: _all(a)[::-1], _turned),
    "Angles are added to the numbers. They turn: x cos + (-b, a) sin.": (
        lambda x, angles: x + angles.tile(2).to(x.dtype)
    ),
    "Sines and cosines are added to the numbers, as the first Transformer's positions. They turn "
    "them.": lambda x, angles: x + torch.cat([angles.sin(), angles.cos()], -1).to(x.dtype),
    "It is turned twice.": lambda x, angles: _halves(_halves(x, angles), angles),
    "Only the first half of the numbers changes.": lambda x, angles: torch.cat(
        [_halves(x, angles).chunk(2, -1)[0], x.chunk(2, -1)[1]], -1
    ),
    "Only the second half of the numbers changes.": lambda x, angles: torch.cat(
        [x.chunk(2, -1)[0], _halves(x, angles).chunk(2, -1)[1]], -1
    ),
    "The second half is turned with a first half that has changed already: a is overwritten before "
    "b needs it.": lambda x, angles: _overwritten(x, angles),
    "The result is divided by its length. A turn keeps lengths by itself.": (
        lambda x, angles: _halves(x, angles) / x.norm(dim=-1, keepdim=True)
    ),
    "The result is multiplied by sqrt(d), or divided: attention does that, not the turn.": (
        lambda x, angles: _halves(x, angles) / x.shape[-1] ** 0.5
    ),
}  # fmt: skip


def _overwritten(x: Tensor, angles: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a = a * cos - b * sin
    return torch.cat([a, b * cos + a * sin], -1)


REST = (
    "[CLS] and registers, the first tokens, have no place and come out as they were; the last "
    "h * w are patches."
)


def _mistakes() -> Table:
    table = {m: _rope(places=piece) for m, piece in PLACES.items()}
    table |= {m: _rope(periods=piece) for m, piece in PERIODS.items()}
    table |= {m: _rope(angles=piece) for m, piece in ANGLES.items()}
    table |= {m: _rope(turn=piece) for m, piece in TURNS.items()}
    right = _rope()
    return table | {
        f"The first h * w tokens are turned, and so [CLS] and registers are. {REST}": _rope(
            begin=lambda x, n: 0
        ),
        f"Only the first token is left out, and so registers are turned. {REST}": _rope(
            begin=lambda x, n: 1
        ),
        f"[CLS] and registers are gone. {REST}": lambda x, h, w, base: (
            right(x, h, w, base)[..., x.shape[-2] - h * w :, :]
        ),
        f"[CLS] and registers are set to 0. {REST}": lambda x, h, w, base: torch.cat(
            [0 * x[..., : x.shape[-2] - h * w, :],
             right(x, h, w, base)[..., x.shape[-2] - h * w :, :]], -2
        ),
        "The patches stand first, and [CLS] and registers behind them. They keep their order.": (
            lambda x, h, w, base: torch.cat(
                [right(x, h, w, base)[..., x.shape[-2] - h * w :, :],
                 x[..., : x.shape[-2] - h * w, :]], -2
            )
        ),
    }  # fmt: skip


def _case(batch: int, heads: int, first: int, h: int, w: int, d: int, base: float) -> tuple:
    return torch.randn(batch, heads, first + h * w, d), h, w, base


@check("13.4", "RoPE: turn by the place")
def check_13_4(rope):
    cases = [
        _case(2, 3, 5, 3, 4, 8, 100.0),
        _case(2, 2, 1, 4, 2, 12, 30.0),
        _case(3, 2, 3, 2, 5, 16, 8.0),
    ]
    # By hand: one row of two patches at x = -1/2 and 1/2 with a period of 1: half a turn by x,
    # none by y. (1, 2, 3, 4) becomes (1, -2, 3, -4); [CLS] stays.
    by_hand = (torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 1, 3, 4), 1, 2, 100.0)
    compare(rope, [*cases, by_hand], _rope(), _mistakes(), "(B, heads, T, d)", "The result")
    got = call(rope, *by_hand)[0, 0]
    want = torch.tensor([[1.0, 2, 3, 4], [1, -2, 3, -4], [1, -2, 3, -4]])
    expect(close(got, want), f"Half a turn of (1, 2, 3, 4) by x should be (1, -2, 3, -4): {got}.")
    _case_without_more(rope)
    expect_dtype(lambda x: rope(x, *cases[1][1:]), cases[1][0])
    x = cases[0][0].clone().requires_grad_()
    turned = rope(x, *cases[0][1:])
    expect(
        turned.requires_grad,
        "No gradient flows back: the result is detached, or computed under no_grad. Queries and "
        "keys learn.",
    )
    expect_any_device(rope, *cases[0])


def _case_without_more(rope) -> None:
    """No [CLS], no registers."""
    case = _case(1, 2, 0, 2, 3, 8, 100.0)
    expect(
        close(call(rope, *case), _rope()(*case)),
        "Of tokens that are patches alone (no [CLS], no registers) the result is wrong. How many "
        "come first is T - h * w, which may be 0.",
    )
