"""Exercise 8.2, weighted k-NN: tells apart other neighbours, other weights, votes that are averaged
or overwritten, and indices in the place of labels.
"""

import functools
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, close, expect
from minidino.checks.evaluation.common import (
    FARTHEST,
    NEAREST,
    NEARNESS,
    NOT_UNIT,
    ONE_SIDED,
    SMALLEST,
    cosine,
    distance,
    product,
    top,
    unit,
)
from minidino.checks.mistakes import UNIT, Table, with_piece
from minidino.engine.chance import seeded


def _exp(x: Tensor) -> Tensor:
    """As a learner's float32 has it, inf above 88."""
    return x.float().exp().double()


def _votes(weights: Tensor, labels: Tensor) -> Tensor:
    """(M, k) both -> (M, C) sums of the weights, class by class."""
    return (weights[..., None] * F.one_hot(labels)).sum(1)


def _sum(weights: Tensor, labels: Tensor) -> Tensor:
    return _votes(weights, labels).argmax(1)


def _knn(near=cosine, weight=lambda s, t: _exp(s / t), vote=_sum, pick=top, k0=20, t0=0.07):
    """k-NN made of these pieces, with these defaults."""

    def predict(x, y, queries, k=k0, temperature=t0):
        s = near(queries, x)  # (M, N)
        chosen = pick(s, k)
        return vote(weight(s.gather(1, chosen), temperature), y[chosen])

    return predict


def _per_class(x, y, queries, k=20, temperature=0.07):
    """Of every class its own k nearest vote."""
    s = cosine(queries, x)
    per = [_exp(s[:, y == c].sort(1).values[:, -k:] / temperature).sum(1) for c in y.unique()]
    return y.unique()[torch.stack(per, 1).argmax(1)]


def _of_queries(x, y, queries, k=20, temperature=0.07):
    """For each image of the bank its nearest *queries*, with labels of that many bank images."""
    return _knn()(queries, y[: len(queries)], x, k, temperature)


def _first_of(weights: Tensor, labels: Tensor) -> Tensor:
    """A majority; of equals the class that came first."""
    counts = _votes(torch.ones_like(weights), labels).gather(1, labels)
    return labels.gather(1, counts.argmax(1, keepdim=True))[:, 0]


def _last_kept(weights: Tensor, labels: Tensor) -> Tensor:
    votes = torch.zeros(len(labels), int(labels.max()) + 1).double()
    for w, c in zip(weights.T, labels.T, strict=True):
        votes[torch.arange(len(votes)), c] = w
    return votes.argmax(1)


NAMES = "Labels are names; class 1 and class 3 do not make class 2. Sum each class apart, argmax."
WEIGHTS = {
    "You multiplied by the temperature. Divide, exp(cos / T): a low temperature makes the closest "
    "neighbours count for more.": lambda s, t: _exp(s * t),
    "The temperature has no effect: your weights are exp(cos). They should be exp(cos / T).": (
        lambda s, t: _exp(s)
    ),
    "The exponential is missing: your weights are the cosines (divided by T or not, which then has "
    "no effect). They should be exp(cos / T).": lambda s, t: s,
    "Your temperature is always 0.07. Use the argument temperature.": lambda s, t: _exp(s / 0.07),
    "The cosines were brought to 0..1, (cos + 1) / 2 (or T is doubled). exp(cos / T), of the "
    "cosine itself.": lambda s, t: _exp(s / t / 2),
    **{
        f"Your temperature is always {fixed:g}. Use the argument temperature.": (
            lambda s, t, fixed=fixed: _exp(s / fixed)
        )
        for fixed in (0.02, 0.1, 0.5)
    },
    "You divided by the root of the temperature. T itself divides.": lambda s, t: _exp(s / t**0.5),
    "You divided by the temperature squared, or twice (so does a Gaussian, exp(-d^2 / 2 T^2)).": (
        lambda s, t: _exp(s / t**2)
    ),
    "The sign is turned round, exp(-cos / T): the farthest of the k counts most.": (
        lambda s, t: _exp(-s / t)
    ),
    "Two exponentials: you took a softmax, and then the exponential of its shares (over T). The "
    "first alone gives the weights.": lambda s, t: _exp((s / t).softmax(1) / t),
    "Two exponentials: you took a softmax, and then the exponential of its shares. The first alone "
    "gives the weights.": lambda s, t: _exp((s / t).softmax(1)),
    "Your weights are negative (log_softmax, or -distance), so a class with many votes loses. A "
    "vote is positive: exp(cos / T).": lambda s, t: (s / t).log_softmax(1),
    "The softmax is over the queries (dim 0), so that a vote depends on the other queries. Each "
    "query's own neighbours share its vote: dim=1.": lambda s, t: (s / t).softmax(0),
    "Your weights come from distances, exp(-distance / T), and not from cosines.": (
        lambda s, t: _exp(-(2 - 2 * s).clamp(min=0).sqrt() / t)
    ),
    "Your weights are exp(-squared distance / T). Of rows of length 1 that is 2 - 2 cos: as if T "
    "were half of what it is. exp(cos / T).": lambda s, t: _exp((2 * s - 2) / t),
    "Your weights are one over (1 - cos). exp(cos / T) is asked for.": (
        lambda s, t: 1 / (1 - s).clamp(min=1e-6)
    ),
    "Your weights are one over the distance. exp(cos / T) is asked for.": (
        lambda s, t: 1 / (2 - 2 * s).clamp(min=1e-12).sqrt()
    ),
    "Your weights are 1 - cos: the farther one counts more. exp(cos / T).": lambda s, t: 1 - s,
    "Your weights are the distances: the farther one counts more. exp(cos / T).": (
        lambda s, t: (2 - 2 * s).clamp(min=0).sqrt()
    ),
    "Your weights are powers of 2; e belongs there: exp(cos / T).": (
        lambda s, t: _exp(s / t * 0.6931472)
    ),
    "Your weights are cos to the power 1 / T. exp(cos / T) is asked for.": (
        lambda s, t: s.clamp(min=0) ** (1 / t)
    ),
    "Your weights are sigmoids, which stop at 1. exp(cos / T) is asked for.": (
        lambda s, t: (s / t).sigmoid()
    ),
    "Your weights come from the rank, 1 for the first, 1/2 for the second. exp(cos / T) is asked "
    "for.": lambda s, t: (1 / torch.arange(1, s.shape[1] + 1)).expand_as(s),
}
VOTES = {
    "Every neighbour counts the same in your vote: this is a plain majority. A neighbour's weight "
    "is exp(cos / T), so that a closer one counts more.": (
        lambda w, labels: _sum(torch.ones_like(w), labels)
    ),
    "Every neighbour counts the same in your vote: this is a plain majority, and of equals the "
    "class met first. A neighbour's weight is exp(cos / T), so that a closer one counts more.": (
        _first_of
    ),
    "You averaged the weights of each class, so that one close neighbour beats ten a little "
    "further off. Sum them: every vote counts.": (
        lambda w, labels: (
            _votes(w, labels) / _votes(torch.ones_like(w), labels).clamp(min=1)
        ).argmax(1)
    ),
    "Your answer is the label of the one nearest neighbour (k = 1, or the largest vote of a "
    "class in the place of their sum). All k have a vote; sum their weights per class.": (
        lambda w, labels: labels[:, 0]
    ),
    "Your answer is the label of the k-th neighbour alone. All k have a vote.": (
        lambda w, labels: labels[:, -1]
    ),
    "You took the class with the *fewest* votes: argmin, or the last of an ascending sort turned "
    "round. argmax.": (lambda w, labels: _votes(w, labels).argmin(1)),
    f"You averaged the label *numbers* by weight. {NAMES}": (
        lambda w, labels: ((w * labels).sum(1) / w.sum(1)).round()
    ),
    f"You averaged the label *numbers* by weight, and cut the rest off. {NAMES}": (
        lambda w, labels: ((w * labels).sum(1) / w.sum(1)).long()
    ),
    f"You averaged the label *numbers* by weight, and left it at that. {NAMES}": (
        lambda w, labels: (w * labels).sum(1) / w.sum(1)
    ),
    f"You averaged the label *numbers*. {NAMES}": lambda w, labels: labels.double().mean(1).round(),
    f"You took the median of the label *numbers*. {NAMES}": (
        lambda w, labels: labels.median(1).values
    ),
    "You voted by the neighbours' position among the k, not by their label: look up "
    "train_labels[neighbours] first.": lambda w, labels: w.argmax(1),
    "Votes of the same class overwrite each other. votes[rows, labels] += w keeps one of them; "
    "scatter_add_ (or index_put_ with accumulate=True) adds up.": _last_kept,
}
PICKS = {
    "You take one neighbour too few: k - 1 of them vote.": lambda s, k: top(s, k - 1),
    "You take one neighbour too many: k + 1 of them vote.": lambda s, k: top(s, k + 1),
    "You dropped the nearest as if it were the query itself. A test image is not in the bank: its "
    "nearest is its best witness.": lambda s, k: top(s, k + 1)[:, 1:],
    "You dropped the nearest as if it were the query itself, and k - 1 are left. A test image is "
    "not in the bank.": lambda s, k: top(s, k)[:, 1:],
    "You take half of k: k // 2 of them vote.": lambda s, k: top(s, k // 2),
    "You always take 20 neighbours. Use the argument k.": lambda s, k: top(s, 20),
    "You always take 10 neighbours. Use the argument k.": lambda s, k: top(s, 10),
    "You always take 5 neighbours. Use the argument k.": lambda s, k: top(s, 5),
    "All images of the bank vote. Only the k nearest should: topk(k).": (
        lambda s, k: top(s, s.shape[1])
    ),
    "The first k images of the bank vote, near or not: sort the labels as the cosines are sorted, "
    "train_labels[neighbours].": (lambda s, k: torch.arange(k).expand(len(s), k)),
}


def _misread(x, y, queries, k=20, temperature=0.07):
    """Neighbours and their weights are right; the labels are those of the bank's first k."""
    s = cosine(queries, x)
    weights = _exp(s.gather(1, top(s, k)) / temperature)
    return _sum(weights, y[:k].expand(len(s), -1))


def _by_distance() -> dict[str, dict]:
    """Neighbours by distance bring weights of their own."""
    weights = {
        "exp(-d / T)": lambda d, t: _exp(-d / t),
        "exp(d / T)": lambda d, t: _exp(d / t),
        "exp(-d^2 / T)": lambda d, t: _exp(-(d**2) / t),
        "exp(-d^2 / 2T)": lambda d, t: _exp(-(d**2) / t / 2),
        "1 / d": lambda d, t: 1 / d.clamp(min=1e-6),
        "-d": lambda d, t: -d,
        "all alike": lambda d, t: torch.ones_like(d),
    }
    table = {}
    for how, weight in weights.items():
        for message, smallest in ((NEAREST, True), (FARTHEST, False)):
            table[f"{message} (The weights: {how}.)"] = {
                "near": distance,
                "weight": weight,
                "pick": lambda d, k, smallest=smallest: d.topk(k, 1, not smallest).indices,
            }
        if how not in ("exp(-d^2 / 2T)", "all alike"):  # which are as with the smallest cosines
            table[f"{FARTHEST} (The rows are of length 1, the weights {how}.)"] = {
                "near": lambda a, b: distance(unit(a), unit(b)),
                "weight": weight,
            }
    return table


def _mistakes() -> Table:
    table = with_piece(lambda piece: _knn(weight=piece), WEIGHTS)
    table |= with_piece(lambda piece: _knn(vote=piece), VOTES)
    table |= with_piece(lambda piece: _knn(pick=piece), PICKS)
    table |= with_piece(lambda piece: _knn(near=piece), {**ONE_SIDED, **NEARNESS})
    table |= with_piece(
        lambda piece: _knn(near=lambda a, b: product(piece(a.double()), piece(b.double()))),
        {NOT_UNIT if "as they came" in m else m: piece for m, piece in UNIT.items()},
    )
    table |= {m: _knn(**pieces) for m, pieces in _by_distance().items()}

    def seen(x, y, queries, k=20, temperature=0.07):
        return _knn()(x, y, queries, len(y.unique()), temperature)

    def farthest(x, y, queries, k=20, temperature=0.07):
        return _knn(pick=lambda s, k: top(-s, k))(x, y, queries, k, temperature)

    def one_short(x, y, *_):
        n = int(y.max())
        raise RuntimeError(f"index {n} is out of bounds for dimension 1 with size {n}")

    return table | {
        "There is a column of votes too few: labels count from 0, so there are as many as the "
        "largest label plus 1.": one_short,
        "You took as many neighbours as there are classes. k has nothing to do with the number of "
        "classes: it is the argument (20 in the paper).": seen,
        "You took the k *smallest* cosines, the farthest images, and weighed them by exp(cos / T). "
        "A cosine is a similarity, and the nearest has the largest.": farthest,
        "You took the k *smallest* cosines, the farthest images, and all count alike. The nearest "
        "have the largest.": _knn(
            pick=lambda s, k: top(-s, k), weight=lambda s, t: torch.ones_like(s)
        ),
        "k neighbours of *each class* vote, so all classes have equally many. The k nearest of the "
        "whole bank are asked for.": _per_class,
        "The labels are those of the bank's first k images, whoever the neighbours are. Look up "
        "train_labels[neighbours].": _misread,
        "You returned *indices* of neighbours in the bank, not labels: train_labels[index].": (
            lambda x, y, q, *_: cosine(q, x).argmax(1)
        ),
        "One label for each image of the *bank*: the matrix is transposed. A row is a query: "
        "test @ train.T, (M, N).": lambda x, y, q, *_: torch.Size((len(x),)),
        "These are scores, or one-hot rows, (M, C). The class itself: argmax(dim=1).": (
            lambda x, y, q, *_: torch.Size((len(q), int(y.max()) + 1))
        ),
        "One number for each class: argmax over dim 0, the queries. Each query chooses its class: "
        "argmax(dim=1).": lambda x, y, q, *_: torch.Size((int(y.max()) + 1,)),
        "One label for each of the k: something is reduced, or topk taken, along dim 0. A row is a "
        "query: dim=1.": lambda x, y, q, k=20, *_: torch.Size((k,)),
        "These are labels of all k neighbours. Let them vote: sum the weights of each class, "
        "argmax.": lambda x, y, q, k=20, *_: torch.Size((len(q), k)),
    }


def _case(n: int, m: int, dim: int, classes: int, k: int, t: float) -> tuple:
    """Clusters that overlap, of different lengths, off the origin, and queries on the border."""
    centers = torch.randn(classes, dim) + 0.4

    def draw(labels):
        x = unit(centers[labels] + 1.3 * torch.randn(len(labels), dim)).float()
        return x * (0.5 + 0.9 * torch.rand(len(x), 1))

    y = torch.randint(0, classes, (n,))
    x, queries = draw(y), draw(torch.randint(0, classes, (700,)))
    # Not those whose outcome depends on rounding; and those that tell weights and votes apart.
    s = cosine(queries, x)
    best = s.topk(k + 1, dim=1).values
    two = _votes(_exp(best[:, :k] / t), y[top(s, k)]).topk(2, dim=1).values
    sure = (best[:, k - 1] - best[:, k] > 1e-6) & (two[:, 0] > 1.0001 * two[:, 1])
    queries = queries[sure]
    others = [
        {},
        *({"weight": w} for w in WEIGHTS.values()),
        *({"vote": v} for v in VOTES.values()),
        *_by_distance().values(),
        *({"weight": lambda s, t, f=f: _exp(s / t / f)} for f in (0.25, 0.7, 1.4, 4.0)),
        {"near": NEARNESS[SMALLEST]},
        {"pick": lambda s, k: top(-s, k)},
    ]
    answers = torch.stack([_knn(**pieces)(x, y, queries, k, t) for pieces in others])
    tell_apart = {
        i for a, b in itertools.combinations(answers, 2) for i in (a != b).nonzero()[:3, 0].tolist()
    }
    kept = torch.tensor(sorted(tell_apart | set(range(m))))
    return x, y, queries[kept], k, t


@functools.cache  # the queries are searched for
def _cases() -> list[tuple]:
    with seeded(0):
        return [_case(150, 60, 8, 5, 12, 0.15), _case(130, 60, 6, 4, 9, 8.0)]


@check("8.2", "weighted k-NN")
def check_8_2(knn_predict):
    cases = [tuple(a.clone() if isinstance(a, Tensor) else a for a in case) for case in _cases()]
    # By hand: cosines 1, 0.8, 0.8, 0.6; at T = 0.5 class 0 has e^2 = 7.4, class 1 has
    # 2 e^1.6 = 9.9 of three neighbours; at 0.07 the close one outweighs two further off.
    bank = torch.tensor([[2.0, 0.0], [0.8, 0.6], [0.8, -0.6], [0.6, 0.8]])
    labels = torch.tensor([0, 1, 1, 0])
    one = torch.tensor([[5.0, 0.0]])

    def ask(*case):
        got = knn_predict(*case)
        expect(
            not hasattr(got, "indices") or isinstance(got, Tensor),
            "max(dim=1) returns two things, the largest score and where it is. The label is where: "
            "argmax(dim=1), or .indices.",
        )
        return got

    try:
        compare(ask, cases, _knn(), mistakes := _mistakes(), names="(M,)", what="The row of labels")
    except Wrong as error:
        if str(error) in mistakes:
            raise
        got = call(ask, *cases[0])
        if isinstance(got, Tensor) and got.is_floating_point():
            raise Wrong(
                f"Your labels are {got.dtype}; a label is an int64. If these are scores, their "
                "argmax over classes is what is asked for."
            ) from None
        raise
    by_hand = [(bank, labels, one, 3, 0.07), (bank, labels, one, 3, 0.5), (bank, labels, one, 1, 9)]
    compare(ask, by_hand, _knn(), what="The label of [5, 0], (M,) for M = 1,")
    for x, y, _, *others in cases:
        expect(
            close(call(ask, x, y, 0.8 * x[:40], *others), _knn()(x, y, 0.8 * x[:40], *others)),
            "Where an image of the bank points exactly as the query does (cosine 1), your label is "
            "another. Is it left out, as if it were the query itself? A test image is not in the "
            "bank; a twin of it is, and it votes.",
        )
    for x, y, queries, *_ in (_case(150, 60, 8, 5, 20, 0.07), _case(130, 60, 6, 4, 20, 0.07)):
        right = _knn()(x, y, queries)
        by_default, told = (close(call(ask, x, y, queries, *kt), right) for kt in ((), (20, 0.07)))
        expect(
            told,
            "With k = 20 and a temperature of 0.07 your labels are other ones. exp(1 / 0.07) is "
            "1.6 million, too large for half precision.",
        )
        expect(
            by_default,
            "With k and temperature given you are right, and without them you are not: the "
            "defaults are k = 20 and temperature = 0.07, as in the signature above.",
        )
    got = call(ask, *cases[0])
    expect(
        got.dtype == torch.int64,
        f"Your labels are {str(got.dtype).removeprefix('torch.')}; PyTorch's labels are int64, "
        "and other types index nothing.",
    )
    gaps = (
        "It goes wrong where class numbers are missing or large (here 0, 3, 6, 9, 12): a bank need "
        "not show every class. There are as many columns of votes as the largest label plus 1."
    )
    for x, y, *others in cases[:2]:
        try:
            got = call(ask, x, 3 * y, *others)
        except (IndexError, RuntimeError):
            raise Wrong(gaps) from None
        expect(close(got, 3 * _knn()(x, y, *others)), gaps)
