"""Exercise 9.2, the patches that hold 60% of the mass: tells apart other thresholds, masks left in
the order of the sort, and maps that were sorted together.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, close, expect, expect_any_device
from minidino.checks.mistakes import Table


def _before(cumulated: Tensor, mass: Tensor, share: Tensor) -> Tensor:
    """Is what lies before a patch, in the order of the sort, not yet enough?"""
    return cumulated - mass < share - 1e-12


def _with_it(cumulated: Tensor, mass: Tensor, share: Tensor) -> Tensor:
    """Is it not enough with the patch itself? Then the one that crosses is dropped."""
    return cumulated < share


def _one_more(cumulated: Tensor, mass: Tensor, share: Tensor) -> Tensor:
    kept = _before(cumulated, mass, share)
    return torch.cat([kept[..., :1], kept[..., :-1]], -1)


def _beyond(cumulated: Tensor, mass: Tensor, share: Tensor) -> Tensor:
    """In ascending order: is it beyond what may be left out?"""
    return cumulated > cumulated[..., -1:] - share + 1e-12


def _scatter(kept: Tensor, order: Tensor) -> Tensor:
    return torch.zeros_like(kept).scatter(-1, order, kept)


def _mask(
    start: int = -2,
    of: Callable = lambda maps: maps,
    share: Callable = lambda line, keep: keep * line.sum(-1, keepdim=True),
    descending: bool | None = True,
    rule: Callable = _before,
    back: Callable = _scatter,
    add: Callable = lambda mass: mass.cumsum(-1),
):
    """Masks made of these pieces; from ``start`` on all is one line; ``None`` is no sort."""

    def mask(maps, keep=0.6):
        line = of(maps).flatten(start)
        if descending is None:
            mass, order = line, torch.arange(line.shape[-1]).expand_as(line)
        else:
            mass, order = line.sort(dim=-1, descending=descending)
        kept = rule(add(mass), mass, share(line, keep))
        return back(kept, order).view(*maps.shape)

    return mask


def _above(threshold: Callable) -> Callable:
    """The patches above a value, (..., 1, 1) of (maps, keep)."""
    return lambda maps, keep=0.6: maps > threshold(maps, keep)


def _top(count: Callable) -> Callable:
    def mask(maps, keep=0.6):
        line = maps.flatten(-2)
        rank = line.argsort(dim=-1, descending=True).argsort(dim=-1)
        return (rank < count(keep * line.shape[-1])).view(maps.shape)

    return mask


EACH = "Each map has a mask of its own: flatten only h and w."
PIECES = {
    "The mask is in the order of the sort: the kept patches are the first in the picture, not "
    "those that were sorted first. Put each answer back where its patch was (scatter by the "
    "order).": {"back": lambda kept, order: kept},
    "The mask is in the order of an ascending sort: the kept patches are the last in the picture. "
    "Put each answer back where its patch was (scatter by the order).": {
        "descending": False,
        "rule": _beyond,
        "back": lambda kept, order: kept,
    },
    "You took the answers of an ascending sort back with gather (or by indexing with the order). "
    "That sorts a second time; the way back is scatter, or the argsort of the argsort.": {
        "descending": False,
        "rule": _beyond,
        "back": lambda kept, order: kept.gather(-1, order),
    },
    "You took the answers back with gather (or by indexing with the order). That sorts a second "
    "time; the way back is scatter, or the argsort of the argsort.": {
        "back": lambda kept, order: kept.gather(-1, order)
    },
    "You kept the rest: the patches from the one that crosses the line on. Those *before* it hold "
    "the share, and it completes them.": {"rule": lambda c, mass, share: c >= share},
    "You compared the sum with keep itself. A map does not sum to 1, because [CLS] keeps some for "
    "itself: compare with keep times the map's own mass.": {
        "share": lambda line, keep: torch.tensor(keep)
    },
    "You did not sort: patches are added up as they lie, row by row, from the top left. Begin with "
    "the largest: sort descending.": {"descending": None},
    "You kept the patches with the *least* attention until they hold the share. Begin with the "
    "largest: sort descending.": {"descending": False},
    "You sorted all heads of an image together, so a head with high peaks takes the patches of the "
    f"others. {EACH}": {"start": 1},
    f"You sorted the whole batch together. {EACH}": {"start": 0},
    "You went row by row: each row of the picture keeps its own share. Flatten the map's h and w "
    "into one line first.": {"start": -1},
    "All heads have the same mask: you averaged them first. Each map has its own.": {
        "of": lambda maps: maps.mean(1, keepdim=True).expand_as(maps)
    },
    "All images have the same mask: you averaged them first. Each map has its own.": {
        "of": lambda maps: maps.mean(0, keepdim=True).expand_as(maps)
    },
    "Yours holds what is left, 1 - keep: the official code sorts ascending and keeps what lies "
    "beyond 1 - keep. Sorted descending, the share is keep.": {
        "share": lambda line, keep: (1 - keep) * line.sum(-1, keepdim=True)
    },
    "Only the largest patch is kept. Did you divide by the map's largest value, or compare with a "
    "share of it? The sum of the map is its mass.": {
        "share": lambda line, keep: 0 * line.sum(-1, keepdim=True) + 1e-9
    },
    "You applied softmax to the map first. It is attention already: its own values are the mass.": {
        "of": lambda maps: maps.flatten(-2).softmax(-1).view(maps.shape)
    },
    "You squared the map first. Its own values are the mass.": {"of": lambda maps: maps**2},
    "You took the map's root first. Its own values are the mass.": {"of": lambda maps: maps**0.5},
    "The share is of the average map's mass; each map has a mass of its own: sum(dim=-1, "
    "keepdim=True).": {"share": lambda line, keep: keep * line.sum(-1, keepdim=True).mean()},
}
WHOLE: Table = {
    "The share is always 0.6: use the argument keep.": lambda maps, keep=0.6: _mask()(maps, 0.6),
    "The share is always 0.5: use the argument keep.": lambda maps, keep=0.6: _mask()(maps, 0.5),
    "The share is always 0.9: use the argument keep.": lambda maps, keep=0.6: _mask()(maps, 0.9),
    "You kept what is above a share (keep) of the largest value. The threshold is on the sum: the "
    "smallest set of patches that together hold keep of the mass.": _above(
        lambda maps, keep: keep * maps.amax((-2, -1), keepdim=True)
    ),
    "You kept what is above a share (1 - keep) of the largest value. The threshold is on the sum: "
    "the smallest set of patches that together hold keep of the mass.": _above(
        lambda maps, keep: (1 - keep) * maps.amax((-2, -1), keepdim=True)
    ),
    "You kept what is above the (1 - keep)-quantile, and so a share of the *patches*. How many it "
    "takes is the map's to say: few for a sharp one, many for a flat one.": _above(
        lambda maps, keep: maps.flatten(-2).quantile(1 - keep, -1)[..., None, None]
    ),
    "You kept what is above the mean of the map. How much mass that is differs from map to map.": (
        _above(lambda maps, keep: maps.mean((-2, -1), keepdim=True))
    ),
    "You kept what is above keep times the mean of the map. The threshold is on the sum of the "
    "largest.": _above(lambda maps, keep: keep * maps.mean((-2, -1), keepdim=True)),
    "You kept what is above the median of the map. How much mass that is differs from map to "
    "map.": _above(lambda maps, keep: maps.flatten(-2).median(-1).values[..., None, None]),
    "You kept what is at least the median of the map. How much mass that is differs from map to "
    "map.": lambda maps, keep=0.6: maps >= maps.flatten(-2).median(-1).values[..., None, None],
    "You compared each patch with keep itself, and none holds so much. The threshold is on the sum "
    "of the largest.": _above(lambda maps, keep: keep),
    "You inverted the mask: true is where the attention is not.": (
        lambda maps, keep=0.6: ~_mask()(maps, keep)
    ),
    "You went column by column: each column of the picture keeps its own share. Flatten the map's "
    "h and w into one line first.": (
        lambda maps, keep=0.6: _mask(-1)(maps.transpose(-2, -1), keep).transpose(-2, -1)
    ),
    "The patch that crosses the line is the only one kept. What lies before it belongs to the mask "
    "too.": lambda maps, keep=0.6: _mask()(maps, keep) & ~_mask(rule=_with_it)(maps, keep),
    "These are positions in the order of the sort, and not a mask: bool, true where a patch is "
    "kept.": lambda maps, keep=0.6: (
        maps.flatten(-2).argsort(dim=-1, descending=True).view(maps.shape)
    ),
    "Everything is kept. Is the sum that of all maps, or does it run over heads or images? Each "
    "map has a mass and an order of its own: dim=-1.": (
        lambda maps, keep=0.6: torch.ones_like(maps).bool()
    ),
    "The mask is still in one line; bring it back to the shape of the map.": (
        lambda maps, keep=0.6: maps.flatten(-2).shape
    ),
    "You returned the mass itself where it is kept. A mask is bool: which patches, not how much.": (
        lambda maps, keep=0.6: maps * _mask()(maps, keep)
    ),
} | {
    f"You kept that share of the *patches* ({how}). How many patches it takes is the map's to say: "
    "few for a sharp one, many for a flat one; the share is of the mass.": _top(count)
    for how, count in {
        "rounded down": math.floor,
        "rounded up": math.ceil,
        "rounded": round,
    }.items()
}
DROPPED = (
    "You dropped the patch that crosses the line, so the mask holds less than the share. It is to "
    "hold *at least* so much: that patch belongs to it."
)
ONE_MORE = "You kept one patch too many: the one that crosses the line is the last."


def _mistakes() -> Table:
    table = {DROPPED: _mask(rule=_with_it), ONE_MORE: _mask(rule=_one_more)}
    table |= {m: _mask(**pieces) for m, pieces in PIECES.items()} | WHOLE
    for message, pieces in PIECES.items():
        if "largest patch" in message or "rule" in pieces:
            continue
        low = "least* attention" in message
        words = (
            message.replace("until they hold", "as long as they hold less than")
            if low
            else (f"{message} (And the patch that crosses the line is dropped.)")
        )
        table[words] = _mask(**pieces, rule=_with_it)
    return table


def _case(keep: float, *shape: int) -> tuple:
    """Maps with a mass of 0.5 to 0.95, as if [CLS] had kept the rest."""
    maps = (1.2 * torch.randn(shape)).flatten(-2).softmax(-1).view(shape)
    n = math.prod(shape[:-2])
    return maps * torch.linspace(0.5, 0.95, n).view(*shape[:-2], 1, 1), keep


@check("9.2", "the patches that hold 60% of the mass")
def check_9_2(mass_mask):
    cases = [_case(0.6, 2, 3, 4, 6), _case(0.85, 3, 4, 5, 3), _case(0.37, 4, 2, 3, 7)]
    cases[2] = 30 * cases[2][0], 0.37  # a map need not sum to 1, nor to less
    mistakes = _mistakes()
    got = compare(mass_mask, cases, _mask(), mistakes, "the shape of maps", "The mask")
    expect(
        got[0].dtype == torch.bool,
        f"A mask is bool; yours is {got[0].dtype}. It will be combined by & and |.",
    )
    for case in cases[1:]:
        expect(
            close(call(mass_mask, case[0]), _mask()(case[0])),
            "Without keep your mask is another than with keep = 0.6, the default of the signature "
            "above.",
        )
    # By hand: 0.5 of 1 is not enough, 0.5 + 0.32 is.
    by_hand = torch.tensor([[0.5, 0.32], [0.05, 0.13]]), 0.6
    for case in (by_hand, _case(0.7, 3, 4, 5), _case(0.5, 2, 2, 2, 3, 4)):
        try:
            compare(mass_mask, [case, (case[0], 0.8)], _mask(), what="The mask")
        except Exception as error:
            dims = case[0].ndim
            raise Wrong(
                f"Maps of four dimensions come out right, and of {dims} they do not: {error}. The "
                "first ones may be any number, (..., h, w): flatten(-2) and view(maps.shape) leave "
                "them alone."
            ) from None
    # The patches before hold the share exactly. Exact in binary, also if each map is divided by its
    # sum, a power of 2, or compared from below with 1 - keep.
    exact = [
        (torch.tensor([[0.25, 0.5], [0.125, 0.125]]), 0.5),
        (torch.tensor([[0.125, 0.25], [0.0625, 0.0625]]), 0.75),
        (torch.tensor([[0.0625, 0.5, 0.125], [0.25, 0.03125, 0.03125]]), 0.75),
    ]
    compare(
        mass_mask,
        exact,
        _mask(),
        {
            "You kept one patch too many: where those before a patch hold the share exactly, it is "
            "not needed. Compare with <, not <=.": _mask(
                rule=lambda cumulated, mass, share: cumulated - mass <= share
            ),
            "Where the patches hold the share exactly you drop the last of them: it is enough.": (
                _mask(rule=lambda cumulated, mass, share: cumulated < share)
            ),
        },
        what="The mask, where some patches hold the share exactly,",
    )
    _expect_no_more_of_equals(mass_mask)
    expect_any_device(mass_mask, cases[0][0])


def _expect_no_more_of_equals(mass_mask) -> None:
    """Of equal patches any will do, and no more than are needed."""
    flat = torch.full((1, 2, 4, 8), 1 / 32)  # each sum here is a power of 2: no tie by rounding
    steps = torch.tensor([8.0, 4, 4, 4, 4, 2, 2, 2, 2]).view(1, 1, 3, 3) / 64
    for maps, keep in ((flat, 0.5), (flat, 0.8), (steps, 0.625), (steps, 0.4)):
        want = _mask()(maps, keep)
        got = call(mass_mask, maps, keep)
        counts, needed = got.flatten(-2).sum(-1), want.flatten(-2).sum(-1)
        equals = maps >= maps.where(want, torch.inf).amin((-2, -1), keepdim=True)
        many, why = "too many", "Keep"
        if torch.equal(got, equals):
            many, why = "all", "A threshold on values cannot tell equals apart; keep places of the "
            why += "sorted order, and"
        expect(
            (counts <= needed).all(),
            f"Of equal patches you keep {many}: {int(counts.max())} where {int(needed.max())} hold "
            f"{keep:.0%} of the mass. {why} no more than are needed.",
        )
        expect(
            close((maps * got).sum((-2, -1)), (maps * want).sum((-2, -1))),
            "Of maps with equal patches your mask holds less than the share.",
        )
