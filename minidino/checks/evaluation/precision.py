"""Exercise 8.4, precision at k: tells apart a query that finds itself, recall and other quotients,
and neighbours by something else than the largest cosine.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, expect
from minidino.checks.evaluation.common import (
    FARTHEST,
    NEAREST,
    NEARNESS,
    NOT_UNIT,
    cosine,
    distance,
    product,
    top,
    unit,
)
from minidino.checks.mistakes import UNIT, Table, with_piece

Pieces = Callable[..., Tensor]


def _others(s: Tensor, k: int) -> Tensor:
    return top(s.clone().fill_diagonal_(-torch.inf), k)


def _diagonal(value: float) -> Pieces:
    return lambda s, k: top(s.clone().fill_diagonal_(value), k)


def _hits(y: Tensor, chosen: Tensor) -> Tensor:
    return (y[chosen] == y[:, None]).double()


def _share(hits: Tensor, y: Tensor, k: int) -> Tensor:
    return hits.mean(1)


def _precision(
    near: Pieces = cosine, pick: Pieces = _others, hits: Pieces = _hits, share: Pieces = _share
) -> Pieces:
    return lambda x, y, k: share(hits(y, pick(near(x, x), k)), y, k)


def _relevant(y: Tensor) -> Tensor:
    """How many others have a query's label."""
    return (y == y[:, None]).sum(1) - 1


def _average_precision(hits: Tensor) -> Tensor:
    return hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)


ITSELF = (
    "The query's own image is among its neighbours: its cosine with itself is 1, so it always "
    "comes first, and always has the right label. Leave it out."
)
PICKS = {
    ITSELF: top,
    "You took k + 1 neighbours, and the query's own image is still one of them. Drop it, and "
    "divide by k.": lambda s, k: top(s, k + 1),
    "You dropped the query's own image and have k - 1 others. Take k + 1 first, so that k are "
    "left.": lambda s, k: _others(s, k - 1),
    "You took one too many: k + 1 others.": lambda s, k: _others(s, k + 1),
    "You left out the query's own image *and* the nearest other: it is dropped twice.": (
        lambda s, k: _others(s, k + 1)[:, 1:]
    ),
    "You took the smallest cosines, and the diagonal as the smallest of all. topk takes the "
    "largest by itself.": lambda s, k: top((-s).fill_diagonal_(torch.inf), k),
    "You look at the nearest neighbour only. Use the argument k.": lambda s, k: _others(s, 1),
    "You look at the k-th neighbour only. Precision at k is the share of right ones among the "
    "first k.": lambda s, k: _others(s, k)[:, -1:],
    "You took all others, near or not (k is not used): topk(k).": (
        lambda s, k: _others(s, len(s) - 1)
    ),
    "The first k images of the collection are taken, near or not: the order of the cosines is "
    "what indexes the labels.": lambda s, k: torch.arange(k).expand(len(s), k),
    "You took row 0 (or column 0) out, not the diagonal: where an image meets *itself*, i = j.": (
        lambda s, k: top(s.index_fill(1, torch.tensor([0]), -torch.inf), k)
    ),
    "You took row 0 out, and not the diagonal: where an image meets *itself*, i = j.": (
        lambda s, k: top(s.index_fill(0, torch.tensor([0]), -torch.inf), k)
    ),
    "You took the upper half of the matrix out, the pairs i < j. Each image is a query, and all "
    "*others* are searched: only the diagonal goes.": (
        lambda s, k: top(s.masked_fill(torch.ones_like(s).triu().bool(), -torch.inf), k)
    ),
    "You took the lower half of the matrix out, the pairs i > j. Each image is a query, and all "
    "*others* are searched: only the diagonal goes.": (
        lambda s, k: top(s.masked_fill(torch.ones_like(s).tril().bool(), -torch.inf), k)
    ),
} | {
    f"You always take {n} neighbours. Use the argument k.": lambda s, k, n=n: _others(s, n)
    for n in (5, 10, 20)
}
SHARES = {
    "You left the query's own image out but divided by k + 1.": lambda h, y, k: h.sum(1) / (k + 1),
    "You divided by k - 1. k others are shown.": lambda h, y, k: h.sum(1) / (k - 1),
    "You divided by the number of *relevant* images (those of the query's class): that is recall. "
    "Precision asks what share of the k shown are right: divide by k.": (
        lambda h, y, k: h.sum(1) / _relevant(y)
    ),
    "You divided by the number of relevant images, the query itself among them: that is recall. "
    "Precision divides by k.": lambda h, y, k: h.sum(1) / (_relevant(y) + 1),
    "You divided by the smaller of k and the number of relevant images. Precision divides by k.": (
        lambda h, y, k: h.sum(1) / _relevant(y).clamp(max=k)
    ),
    "You divided by the number of images. Precision divides by k.": (
        lambda h, y, k: h.sum(1) / len(y)
    ),
    "You divided by the number of classes. Precision divides by k.": (
        lambda h, y, k: h.sum(1) / len(y.unique())
    ),
    "You divided the size of the query's class by k: nothing was looked up.": (
        lambda h, y, k: (_relevant(y) + 1) / k
    ),
    "Hits count less the later they come (a discounted gain). Precision counts all k alike.": (
        lambda h, y, k: (h / torch.log2(torch.arange(2, h.shape[1] + 2))).sum(1)
    ),
    "You counted the hits; divide by k.": lambda h, y, k: h.sum(1),
    "You ask whether *any* of the k is right (a hit rate). Precision is the share of the k that "
    "are.": lambda h, y, k: h.amax(1),
    "1 where *all* of the k are right and 0 elsewhere: // (or an int) cuts the share to a whole "
    "number, or all() asks something else. Hits divided by k, with /.": lambda h, y, k: h.amin(1),
    "You ask whether *most* of the k are right, a vote. Precision is the share that are.": (
        lambda h, y, k: (h.mean(1) > 0.5).double()
    ),
    "This is an average precision: of every rank up to k. Precision at k is one share, of all k.": (
        lambda h, y, k: (_average_precision(h) * h).sum(1) / h.sum(1).clamp(min=1)
    ),
    "This is an average precision: the hits' precisions over k. Precision at k is one share, of "
    "all k.": lambda h, y, k: (_average_precision(h) * h).sum(1) / k,
    "This is the mean of the precisions at 1, 2, ... k. Precision at k is one share, of all k.": (
        lambda h, y, k: _average_precision(h).mean(1)
    ),
    "This is a reciprocal rank: one over the place of the first hit. Precision at k is the share "
    "of all k that are right.": (lambda h, y, k: (h / torch.arange(1, h.shape[1] + 1)).amax(1)),
    "This is the error, the share of wrong neighbours.": lambda h, y, k: 1 - h.mean(1),
    "This is in percent; a precision is a share, 0 to 1.": lambda h, y, k: 100 * h.mean(1),
    "This is each *class's* mean. Each query has its own precision; means come later.": (
        lambda h, y, k: torch.stack([h.mean(1)[y == c].mean() for c in y])
    ),
}
HITS = {
    "You compare the neighbours' *indices* with the labels. Look their labels up: "
    "labels[neighbours].": lambda y, chosen: (chosen == y[:, None]).double(),
    "You compare the neighbours' labels with the query's *index*. Its label: labels[:, None].": (
        lambda y, chosen: (y[chosen] == torch.arange(len(y))[:, None]).double()
    ),
    "You compare the neighbours with each other (the nearest's label, or the neighbour's own) in "
    "the place of the query's: labels[:, None].": (
        lambda y, chosen: (y[chosen] == y[chosen[:, :1]]).double()
    ),
    "You compare with the first k images' labels (labels[:k], or a gather along dim 0). Row i "
    "belongs to query i: labels[:, None], and a gather along dim 1.": (
        lambda y, chosen: (y[chosen] == y[: chosen.shape[1]]).double()
    ),
}


UNSEEN = ("whole tensor", "root of the *mean*", "standard score, less", "away first")
SHIFTED = {
    "You centred the features first. A cosine is between the features as they come.": (
        lambda x: unit(x - x.mean(0))
    ),
    "You standardised the features first, as a linear probe does. A cosine is between the features "
    "as they come.": lambda x: unit((x - x.mean(0)) / x.std(0)),
    "You took each row's mean away first. A cosine is between the features as they come.": (
        lambda x: unit(x - x.mean(1, keepdim=True))
    ),
}


def _mistakes() -> Table:
    table = with_piece(lambda piece: _precision(pick=piece), PICKS)
    table |= with_piece(lambda piece: _precision(share=piece), SHARES)
    table |= with_piece(lambda piece: _precision(hits=piece), HITS)
    table |= with_piece(lambda piece: _precision(piece), NEARNESS)
    table |= {
        NEAREST: _precision(lambda a, b: -distance(a, b)),
        FARTHEST: _precision(distance),
    }
    # Of other rows than those of length 1 only what changes the order is seen.
    order = [m for m in UNIT if not any(part in m for part in UNSEEN)]
    table |= with_piece(
        lambda piece: _precision(lambda a, b: product(piece(a.double()), piece(b.double()))),
        {NOT_UNIT if "as they came" in m else m: UNIT[m] for m in order} | SHIFTED,
    )

    def also(build):
        """The query among its own answers, and one more slip."""
        return lambda x, y, k: build(_hits(y, top(cosine(x, x), k + 1)), y, k)

    def number(x, y, k):
        return _precision()(x, y, k).mean()

    return table | {
        "You took k + 1 neighbours, counted the query's own image as a hit, and divided by k: "
        "precision may exceed 1.": also(lambda h, y, k: h.sum(1) / k),
        "You returned one number, the mean. Here each query has its own precision, (N,), so that "
        "classes can be told apart; the mean comes later.": number,
        "You returned one number, and the queries find themselves. Each query has its own "
        "precision among all *others*, (N,).": lambda x, y, k: _precision(pick=top)(x, y, k).mean(),
        "This is the share of the query's class in the whole collection. Look at its k nearest "
        "only.": lambda x, y, k: (_relevant(y) + 1) / len(y),
        "Your result has one number for each *rank*, (k,): the mean is over the queries. One for "
        "each query: mean(dim=1).": lambda x, y, k: torch.Size((k,)),
        "These are the k hits of each query, (N, k). Their mean is asked for: mean(dim=1).": (
            lambda x, y, k: torch.Size((len(y), k))
        ),
        "One number for each class. Each query has its own precision; means come later.": (
            lambda x, y, k: torch.Size((len(y.unique()),))
        ),
    }


def _case(sizes: tuple[int, ...], dim: int, k: int) -> tuple:
    centers = torch.randn(len(sizes), dim)
    y = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    x = (centers[y] + 1.1 * torch.randn(len(y), dim)) * (0.3 + 3 * torch.rand(len(y), 1)) + 0.3
    order = torch.randperm(len(y))
    return x[order], y[order], k


FIRST_DROPPED = (
    "Where another image points exactly as the query does, the first in the order may be that one; "
    "you drop it, and keep the query itself. Take out the place where an image meets *itself*, the "
    "diagonal, before topk."
)
TWINS_DROPPED = (
    "You leave out every image with a cosine of 1, and with the query itself its twins: other "
    "images that point the same way. Take out the diagonal alone."
)
SOME_ROWS = (
    "In some rows the query itself is among its answers, in others it is not: by its value it is "
    "not found, for a cosine with itself is often 0.9999999. Take out its *place*, the diagonal."
)
ZERO = (
    "Where every other image has a negative cosine, the query's own image is an answer again: a 0 "
    "in its place is larger than they are. Put -torch.inf there."
)
MINUS_1 = (
    "Where every other image points the opposite way (cosine -1), the query's own image is an "
    "answer again: -1 in its place is no lower than they are. Put -torch.inf there."
)


def _in_some_rows(answer, cases) -> bool:
    """Is every row right, or as if the query found itself?"""
    for case in cases:
        got, none = call(answer, *case), _precision()(*case)
        if not isinstance(got, Tensor) or got.shape != none.shape:
            return False
        for wrong in (_precision(pick=top)(*case), _precision(pick=_dropped)(*case)):
            rows = ((got - none).abs() < 1e-4) | ((got - wrong).abs() < 1e-4)
            if rows.all():
                break
        else:
            return False
    return True


def _dropped(s: Tensor, k: int) -> Tensor:
    return _others(s, k + 1)[:, 1:]


@check("8.4", "precision at k")
def check_8_4(precision_at_k):
    # By hand: seen from 0 degrees the nearest are 10 and 20, and one of the two is of its class.
    angles = torch.tensor([0.0, 10.0, 20.0, 90.0, 101.0]).deg2rad()
    by_hand = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([0, 1, 0, 1, 1]), 2
    cases = [_case((9, 12, 19), 6, 7), _case((14, 8, 6, 3), 5, 4)]
    mistakes = _mistakes()
    names, what = "(N,): one precision a query", "The vector of precisions"
    try:
        compare(precision_at_k, cases, _precision(), mistakes, names, what)
    except Wrong as error:
        if str(error) not in mistakes and _in_some_rows(precision_at_k, cases):
            raise Wrong(SOME_ROWS) from None
        raise
    # Everybody has a label of his own here: who is right has found himself.
    of_class = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    alike = torch.eye(3)[of_class]
    angles = torch.tensor([0.0, 110.0, 230.0]).deg2rad()
    apart = torch.stack([angles.cos(), angles.sin()], dim=1)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    for x, k, message in ((apart, 1, ZERO), (opposite, 1, MINUS_1), (alike, 3, FIRST_DROPPED)):
        expect(not (call(precision_at_k, x, torch.arange(len(x)), k) > 0).any(), message)
    # And here those that point alike are of one class.
    expect((call(precision_at_k, alike, of_class, 1) > 0.99).all(), TWINS_DROPPED)
    got = compare(precision_at_k, [by_hand, (*by_hand[:2], 3)], _precision(), what=what)[0]
    expect(got.is_floating_point(), f"A precision is a share, a float; yours is {got.dtype}.")
