"""Exercise 11.3, a box from attention: tells apart other masks, other parts, other corners."""

import functools
from collections.abc import Iterable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, check, expect
from minidino.checks.mistakes import Table, both

SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def _order(a: Tensor) -> tuple[Tensor, Tensor]:
    return a.flatten().sort(descending=True)


def _kept(a: Tensor, enough: float, crossing: bool = True) -> Tensor:
    """The largest patches until ``enough`` is reached; with the one that reaches it or without."""
    mass, order = _order(a)
    kept = mass.cumsum(0) - mass < enough if crossing else mass.cumsum(0) < enough
    return torch.zeros_like(kept).scatter(0, order, kept).view_as(a)


def _mask(a: Tensor, keep: float) -> Tensor:
    return _kept(a, keep * a.sum().item())


def _parts(mask: Tensor, steps: Iterable[tuple[int, int]] = SIDES, round_it: str = "") -> list:
    """Connected components, each a set of (y, x), in the order of their first patch.

    Args:
        round_it: "torus" where the border joins the opposite one, "line" where a row's end joins
            the next row's beginning.
    """
    h, w = mask.shape
    left = {tuple(p) for p in mask.nonzero().tolist()}
    found = []
    while left:
        start = min(left)
        left.remove(start)
        part, edge = {start}, [start]
        while edge:
            y, x = edge.pop()
            for dy, dx in steps:
                there = (y + dy, x + dx)
                if round_it == "torus":
                    there = (there[0] % h, there[1] % w)
                if round_it == "line":
                    there = divmod(there[0] * w + there[1], w)
                if there in left:
                    left.remove(there)
                    part.add(there)
                    edge.append(there)
        found.append(part)
    return found


def _largest(mask: Tensor, a: Tensor) -> set:
    return max(_parts(mask), key=len)


def _one_pass(choose=lambda left, above: left[0] if left else above[0]):
    """Labels by a scan in reading order: from the left, else from above, and no second look."""

    def largest(mask: Tensor, a: Tensor) -> set:
        names: Table = {}
        for y, x in sorted(tuple(p) for p in mask.nonzero().tolist()):
            left, above = ([names[p]] if p in names else [] for p in ((y, x - 1), (y - 1, x)))
            names[y, x] = choose(left, above) if left or above else len(names)
        parts = [{p for p, n in names.items() if n == name} for name in set(names.values())]
        return max(parts, key=len)

    return largest


def _few_steps(n: int):
    """The largest of what is reached from any patch in so many steps."""

    def largest(mask: Tensor, a: Tensor) -> set:
        every = {tuple(p) for p in mask.nonzero().tolist()}
        best: set = set()
        for start in sorted(every):
            part = {start}
            for _ in range(n):
                part |= {(y + dy, x + dx) for y, x in part for dy, dx in SIDES} & every
            best = max(best, part, key=len)
        return best

    return largest


def _reach(part: set) -> int:
    x0, y0, x1, y1 = _extent(part)
    return (x1 - x0) * (y1 - y0)


def _extent(part: set) -> tuple:
    """x0, y0, x1, y1 in patches, the ends not part of it."""
    ys, xs = zip(*part, strict=True)
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def _pixels(box: tuple, p: int, shape: torch.Size) -> tuple:
    return tuple(c * p for c in box)


def _box(mask=_mask, part=_largest, extent=_extent, end=_pixels):
    def answer(attention: Tensor, patch_size: int, keep: float) -> Tensor:
        found = part(mask(attention, keep), attention)
        box = end(extent(found), patch_size, attention.shape)
        return box if isinstance(box, torch.Size) else torch.tensor(box, dtype=torch.float64)

    return answer


SMALLEST_SET = (
    "The mask is the smallest set of patches with `keep` of the map's mass (notebook 09)."
)
MASKS: Table = {
    f"Patches above the map's mean are the mask. {SMALLEST_SET}": lambda a, k: a > a.mean(),
    f"The mask are patches above `keep` times the largest. {SMALLEST_SET}": (
        lambda a, k: a >= k * a.max()
    ),
    f"You kept a share of the *patches*, the largest. {SMALLEST_SET}": (
        lambda a, k: a >= _order(a)[0][max(0, round(k * a.numel()) - 1)]
    ),
    f"The mask are the patches above the map's quantile `keep`: a share of the patches. "
    f"{SMALLEST_SET}": lambda a, k: a >= a.flatten().quantile(k),
    "The mass is compared with `keep` itself. A map sums to less than 1, by what [CLS] gives "
    "itself: keep times the map's own sum.": lambda a, k: _kept(a, k),
    "The patch that crosses `keep` is missing: the mask holds a little less. At least `keep` of "
    "the mass.": lambda a, k: _kept(a, k * a.sum().item(), crossing=False),
    "The mask is turned round: the patches that are left out.": lambda a, k: ~_mask(a, k),
    "`keep` is not used: 0.6 is written in, or its default taken. It is an argument.": (
        lambda a, k: _mask(a, 0.6)
    ),
    "The mask holds 1 - keep of the mass.": lambda a, k: _mask(a, 1 - k),
    "Each row of patches has a mask of its own. One for the whole map: flatten it first.": (
        lambda a, k: torch.stack([_mask(row, k) for row in a])
    ),
}
LARGEST = "The box is of the largest part that holds together, the one with the most patches."
PARTS: Table = {
    f"The box is around the whole mask: one stray patch in a corner, and it is the whole picture. "
    f"{LARGEST}": lambda m, a: {tuple(p) for p in m.nonzero().tolist()},
    "Patches that touch at a corner hold together in yours (eight neighbours). Four neighbours: "
    "left, right, above, below.": lambda m, a: max(_parts(m, SIDES + CORNERS), key=len),
    f"You took the part with the most attention. {LARGEST}": (
        lambda m, a: max(_parts(m), key=lambda part: sum(a[p].item() for p in part))
    ),
    f"You took the part with the brightest patch. {LARGEST}": (
        lambda m, a: max(_parts(m), key=lambda part: max(a[p].item() for p in part))
    ),
    f"You took the part with the largest *box*: a thin one that reaches far. {LARGEST}": (
        lambda m, a: max(_parts(m), key=_reach)
    ),
    f"You took the *smallest* part. {LARGEST}": lambda m, a: min(_parts(m), key=len),
    f"You took the first part, in reading order. {LARGEST}": lambda m, a: _parts(m)[0],
    f"You took the last part, in reading order. {LARGEST}": lambda m, a: _parts(m)[-1],
    "The end of a row holds together with the beginning of the next: neighbours are looked up as "
    "number - 1 and number + 1 of a flat list. Rows and columns have ends.": (
        lambda m, a: max(_parts(m, round_it="line"), key=len)
    ),
    "The picture's left border holds together with its right one, or top with bottom (torch.roll "
    "goes round, and so does index -1). Rows and columns have ends.": (
        lambda m, a: max(_parts(m, round_it="torus"), key=len)
    ),
    "Only patches of one row hold together in yours. Above and below are neighbours, too.": (
        lambda m, a: max(_parts(m, SIDES[2:]), key=len)
    ),
    "Only patches of one column hold together in yours. Left and right are neighbours, too.": (
        lambda m, a: max(_parts(m, SIDES[:2]), key=len)
    ),
    "Only patches that touch at a corner hold together in yours. Neighbours are left, right, "
    "above, below.": lambda m, a: max(_parts(m, CORNERS), key=len),
    "A part falls into several: each patch took its number from the left or from above, once. Two "
    "arms that meet further down have then two numbers: repeat until nothing changes.": _one_pass(),
    "A part falls into several: each patch took the smaller of the numbers to its left and above, "
    "once. Two arms that meet further down have then two numbers: repeat until nothing changes.": (
        _one_pass(lambda left, above: min(left + above))
    ),
    **{
        f"A part grew by {n} steps and no further. Repeat until nothing changes.": _few_steps(n)
        for n in (2, 3, 4, 5)
    },
    "The box is of the brightest patch alone.": lambda m, a: {divmod(int(a.argmax()), a.shape[1])},
    "The box is of all that does *not* hold together with the largest part.": (
        lambda m, a: {tuple(p) for p in m.nonzero().tolist()} - _largest(m, a) or _largest(m, a)
    ),
}
ENDS_AT = "x1 and y1 are where the box has *ended*: (last patch + 1) * patch_size; width = x1 - x0."
EXTENTS: Table = {
    "x and y are exchanged. x counts columns, from the left; a mask is indexed [y, x], so "
    "nonzero() gives y first.": lambda part: _turned(_extent(part)),
    f"The last row and column of patches are missing: x1 and y1 are where the last patch "
    f"*begins*. {ENDS_AT}": lambda part: _grown(_extent(part), 0, -1),
    f"The box has one row and one column of patches too many at its end. {ENDS_AT}": (
        lambda part: _grown(_extent(part), 0, 1)
    ),
    "The first row and column of patches are missing: x0 and y0 are where the first patch "
    "*begins*, first patch * patch_size.": lambda part: _grown(_extent(part), 1, 0),
    "Patches are counted from 1: the box sits one patch too far right and down.": (
        lambda part: _grown(_extent(part), 1, 1)
    ),
    "The box sits one patch too far left and up: [CLS] is no part of the map, nothing is to be "
    "taken away.": lambda part: _grown(_extent(part), -1, -1),
    "The box is a patch larger on every side.": lambda part: _grown(_extent(part), -1, 1),
    "x and y are exchanged, and the last row and column of patches are missing. A mask is indexed "
    f"[y, x], so nonzero() gives y first. {ENDS_AT}": (
        lambda part: _grown(_turned(_extent(part)), 0, -1)
    ),
    "The first and last of the list of patches were taken for the corners: they are in reading "
    "order. The smallest and the largest x, and the same of y, each on its own.": (
        lambda part: (min(part)[1], min(part)[0], max(part)[1] + 1, max(part)[0] + 1)
    ),
}


def _turned(box: tuple) -> tuple:
    return box[1], box[0], box[3], box[2]


def _grown(box: tuple, start: int, end: int) -> tuple:
    return box[0] + start, box[1] + start, box[2] + end, box[3] + end


def _wh(box: tuple, p: int) -> tuple:
    x0, y0, x1, y1 = (c * p for c in box)
    return x0, y0, x1 - x0, y1 - y0


PIXELS: Table = {
    "The box is in patches. Pixels are asked for: times patch_size.": lambda b, p, s: b,
    f"x1 and y1 are the last pixels that belong to the box. They are the first that do not: "
    f"picture[y0:y1, x0:x1] is then the box. {ENDS_AT}": (
        lambda b, p, s: (b[0] * p, b[1] * p, b[2] * p - 1, b[3] * p - 1)
    ),
    "The last row and column of patches are cut to one pixel: last patch * patch_size + 1. "
    f"{ENDS_AT}": lambda b, p, s: (b[0] * p, b[1] * p, (b[2] - 1) * p + 1, (b[3] - 1) * p + 1),
    "You returned x, y, width and height. Both corners are asked for, (x0, y0, x1, y1).": (
        lambda b, p, s: _wh(b, p)
    ),
    "You returned center, width and height. Both corners are asked for, (x0, y0, x1, y1).": (
        lambda b, p, s: ((b[0] + b[2]) * p / 2, (b[1] + b[3]) * p / 2, *_wh(b, p)[2:])
    ),
    "The order is x0, x1, y0, y1. First one corner, then the other: (x0, y0, x1, y1).": (
        lambda b, p, s: (b[0] * p, b[2] * p, b[1] * p, b[3] * p)
    ),
    "The order is y0, y1, x0, x1 (slices). One corner, then the other: (x0, y0, x1, y1).": (
        lambda b, p, s: (b[1] * p, b[3] * p, b[0] * p, b[2] * p)
    ),
    "The corners stand in the middles of patches: half a patch is missing at each side.": (
        lambda b, p, s: tuple((c + d) * p for c, d in zip(b, (0.5, 0.5, -0.5, -0.5), strict=True))
    ),
    "The box is in shares of the picture, 0 to 1. Pixels are asked for.": (
        lambda b, p, s: (b[0] / s[1], b[1] / s[0], b[2] / s[1], b[3] / s[0])
    ),
    "y is counted from below. Row 0 is the top one.": (
        lambda b, p, s: (b[0] * p, (s[0] - b[3]) * p, b[2] * p, (s[0] - b[1]) * p)
    ),
    "Corners are exchanged: (x0, y0) is top left, (x1, y1) bottom right.": (
        lambda b, p, s: (b[2] * p, b[3] * p, b[0] * p, b[1] * p)
    ),
    "The box is the whole picture: no mask, or one of nearly every patch (the smallest first?).": (
        lambda b, p, s: (0, 0, s[1] * p, s[0] * p)
    ),
    "A patch is taken to be 8 pixels. Its size is an argument.": (
        lambda b, p, s: tuple(c * 8 for c in b)
    ),
    "A patch is taken to be 16 pixels. Its size is an argument.": (
        lambda b, p, s: tuple(c * 16 for c in b)
    ),
    "Two numbers came back. Both corners are asked for, (x0, y0, x1, y1).": (
        lambda b, p, s: torch.Size((2,))
    ),
}  # fmt: skip


def _by_height(attention: Tensor, patch_size: int, keep: float) -> Tensor:
    """Rows and columns of a flat number by the height in place of the width."""
    h, w = attention.shape
    part = {divmod(y * w + x, h) for y, x in _largest(_mask(attention, keep), attention)}
    return torch.tensor(_pixels(_extent(part), patch_size, attention.shape), dtype=torch.float64)


def _enlarged(attention: Tensor, patch_size: int, keep: float) -> Tensor:
    fine = torch.nn.functional.interpolate(
        attention[None, None], scale_factor=patch_size, mode="bilinear"
    )[0, 0]
    return _box()(fine, 1, keep)


def _mistakes() -> Table:
    table = {m: _box(mask=piece) for m, piece in MASKS.items()}
    table |= {m: _box(part=piece) for m, piece in PARTS.items()}
    table |= {m: _box(extent=piece) for m, piece in EXTENTS.items()}
    table |= {m: _box(end=piece) for m, piece in PIXELS.items()}
    return table | {
        "Row and column of a flat number were computed with h. A row has w patches: number // w, "
        "number % w.": _by_height,
        "The map was enlarged to pixels (bilinearly) before the mask was taken, so parts have "
        "other borders and the corners lie within patches. Mask and part are of patches; the box "
        "alone is in pixels.": _enlarged,
    }


def _map(rows: str, mass: float) -> Tensor:
    """A map of digits, no two patches alike, with this sum."""
    a = torch.tensor([[float(c) if c != "." else 0.05 for c in row] for row in rows.split()])
    a = a + 0.01 * torch.rand(a.shape)
    return mass * a / a.sum()


def _hills(h: int, w: int) -> Tensor:
    """Three of them, on a plain; the sum is 0.8."""
    y, x = torch.arange(h)[:, None], torch.arange(w)
    a = torch.full((h, w), 0.15) + 0.02 * torch.rand(h, w)
    for cy, cx, height, width in ((1.2, 1.4, 1.0, 1.1), (4.6, 6.3, 0.9, 2.1), (5.8, 0.3, 1.3, 0.6)):
        a = a + height * (-((y - cy) ** 2 + (x - cx) ** 2) / width**2).exp()
    return 0.8 * a / a.sum()


ARMS = """
..5.......77
5.5.........
5.5.....9...
5556........
....6.......
............
..3.........
"""
ACROSS = """
....2...
7......7
4.8....4
..8.....
..8...6.
..36..66
"""
TALL = """
.55..
.....
22..4
22..4
222.4
.....
..8..
..8.8
.555.
.5...
"""


# A thin part that reaches far, a block of more patches, and two patches with the most of all.
THIN = """
2.....99
2.......
2..3333.
222.333.
........
"""
# Longer than a part that grows by a few steps.
LONG = """
..............
5555555555555.
......3.......
"""


@check("11.3", "from attention to a box")
def check_11_3(attention_box):
    @functools.wraps(attention_box)
    def ask(attention, patch_size, keep):
        got = attention_box(attention, patch_size, keep)
        if isinstance(got, Tensor):
            got = got.detach().double() if got.ndim == 1 else got
        elif isinstance(got, tuple | list):
            flat = [*got]
            if len(got) == 2 and all(isinstance(g, tuple | list) for g in got):
                raise Wrong("Two corners came back, a pair each. Four numbers, (x0, y0, x1, y1).")
            expect(
                all(hasattr(g, "__float__") for g in flat),
                "Return four numbers, (x0, y0, x1, y1).",
            )
            got = torch.tensor([float(g) for g in flat], dtype=torch.float64)
        return got

    flat = torch.rand(5, 4) * 0.2
    flat[1:3, 1:4] += 1
    flat[4, 0] += 3
    cases = [
        (_map(ARMS, 0.8), 4, 0.93),
        (_map(ACROSS, 0.7), 6, 0.95),
        (_map(TALL, 0.9), 14, 0.97),
        (_map(THIN, 0.8), 5, 0.96),
        (_map(LONG, 0.9), 3, 0.97),
        (_hills(7, 9), 7, 0.35),
        (0.85 * flat / flat.sum(), 10, 0.75),
        # By hand: 0.5 + 0.25 of 1 are the mask, two patches one above the other.
        (torch.tensor([[0.05, 0.5, 0.05], [0.05, 0.25, 0.1]]), 3, 0.7),
    ]
    two = both(_box, mask=MASKS, part=PARTS, extent=EXTENTS, end=PIXELS)
    compare(ask, cases, _box(), _mistakes(), "(x0, y0, x1, y1)", "The box", at_once=two)
    for part in attention_box(cases[0][0], 4, 0.93):
        expect(float(part).is_integer(), "Pixels are whole numbers: the corners lie between them.")
