"""Exercise 11.1, near-duplicates: tells apart other similarities, other pairs, other orders."""

import functools
from itertools import pairwise

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, check, expect
from minidino.checks.mistakes import UNIT, Table


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True)


def _cosines(x: Tensor) -> Tensor:
    return _unit(x) @ _unit(x).T


def _at_least(s: Tensor, t: float) -> Tensor:
    return s >= t


def _once(s: Tensor, near: Tensor) -> list[tuple[int, int]]:
    n = len(s)
    return [(i, j) for i in range(n) for j in range(i + 1, n) if near[i, j]]


def _closest_first(s: Tensor, pairs: list) -> list:
    return sorted(pairs, key=lambda p: -s[p].item())


def _ties_settled(s: Tensor, pairs: list) -> list:
    """Of pairs that follow each other with one cosine the smaller numbers first."""
    runs: list[list] = []
    for p in pairs:
        if runs and abs(s[p] - s[runs[-1][-1]]) < 1e-6:
            runs[-1].append(p)
        else:
            runs.append([p])
    return [p for run in runs for p in sorted(run)]


def _rows(pairs: list) -> Tensor:
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2)


def _pairs(similar=_cosines, near=_at_least, chosen=_once, order=_closest_first, end=_rows):
    def answer(features: Tensor, threshold: float) -> Tensor:
        s = similar(features)
        return end(_ties_settled(s, order(s, chosen(s, near(s, threshold)))))

    return answer


ONCE = (
    "Each pair once, i < j: of the mask, (cosine >= threshold).triu(diagonal=1) keeps what lies "
    "above the diagonal."
)
ZEROS = (
    "At a threshold of 0 or less all that lies below the diagonal came back: triu made zeros of "
    "these cosines, and 0 is at least the threshold. Compare first, then triu of the mask."
)


def _naive(s: Tensor, near: Tensor) -> list:
    return [tuple(p) for p in near.nonzero().tolist()]


def _upper(s: Tensor, near: Tensor, diagonal: int) -> list:
    return [tuple(p) for p in near.triu(diagonal).nonzero().tolist()]


def _nearest_only(s: Tensor, near: Tensor) -> list:
    """Each picture beside the one most like it, if that is near enough."""
    s = s.clone().fill_diagonal_(-2)
    found = {tuple(sorted((i, int(s[i].argmax())))) for i in range(len(s))}
    return [p for p in sorted(found) if near[p]]


def _used_up(s: Tensor, near: Tensor) -> list:
    """The closest first; a picture that has a partner gets no other."""
    free, found = set(range(len(s))), []
    for p in _closest_first(s, _once(s, near)):
        if free.issuperset(p):
            free -= set(p)
            found.append(p)
    return found


def _of_the_first(s: Tensor, near: Tensor) -> list:
    """As when a folder is cleaned: what has a twin before it is gone, and finds no more."""
    gone, found = set(), []
    for i, j in _once(s, near):
        if i not in gone and j not in gone:
            gone.add(j)
            found.append((i, j))
    return found


def _linked(s: Tensor, near: Tensor) -> list:
    """All pairs of pictures that a chain of pairs leads from one to the other of."""
    reach = near.double()
    for _ in range(len(s)):
        reach = ((reach @ reach) > 0).double()
    return _once(s, reach > 0)


SIMILAR: Table = {
    "These are dot products: a long feature is near to everything. Cosines divide by both lengths "
    "(F.normalize(features, dim=1)).": lambda x: x @ x.T,
    "Your similarity is the negative Euclidean distance of the features as they came. The cosine "
    "is asked for.": lambda x: -torch.cdist(x, x),
    "This is 1 less the distance of unit rows. The cosine is asked for; 1 - d^2 / 2 is it.": (
        lambda x: 1 - torch.cdist(_unit(x), _unit(x))
    ),
    "Your similarity is a distance, 1 - cos: the least alike are found. The cosine itself.": (
        lambda x: 1 - _cosines(x)
    ),
    "You compare squared cosines with the threshold. Cosines as they are.": (
        lambda x: _cosines(x).square()
    ),
    "You took absolute values: features that point in opposite directions are as unlike as can "
    "be, and not alike.": lambda x: _cosines(x).abs(),
    "You brought the cosine to 0..1, (1 + cos) / 2. The threshold is one of cosines as they are.": (
        lambda x: (1 + _cosines(x)) / 2
    ),
    "You took the mean feature of all pictures away first. The features are used as they are.": (
        lambda x: _cosines(x - x.mean(0))
    ),
    "You divided by one of the two lengths only.": lambda x: x @ _unit(x).T,
    "You compared a softmax of the cosines with the threshold. Cosines as they are.": (
        lambda x: _cosines(x).softmax(1)
    ),
    **{
        words: (lambda x, unit=unit: unit(x) @ unit(x).T)
        for words, unit in UNIT.items()
        if words.startswith(
            (
                "You normalised the columns",
                "You divided all rows",
                "You divided by the sum of squares",
                "You divided by the sum of absolute",
                "You divided by the largest absolute",
                "You took each row's mean away",
            )
        )
    },
}
NEAR: Table = {
    "A pair whose cosine is the threshold itself is missing: at least, >=.": lambda s, t: s > t,
    "These are the pairs *below* the threshold. Near are those with a large cosine.": (
        lambda s, t: s <= t
    ),
    "You compared a distance, 1 - cos, with the threshold. The threshold is one of cosines: cos >= "
    "threshold.": lambda s, t: 1 - s <= t,
    "Exact copies are missing. You left out cosines of 1 to be rid of the self-matches, and two "
    "copies of one picture have 1 as well: leave out the diagonal by its place.": (
        lambda s, t: (s >= t) & (s < 1 - 1e-6)
    ),
    "0.9 is written in for the threshold. It is an argument.": lambda s, t: s >= 0.9,
    "The threshold is not used: every pair came back.": lambda s, t: torch.ones_like(s).bool(),
}
CHOSEN: Table = {
    f"Each picture is its own twin, and each pair is there twice: the diagonal and both halves of "
    f"the matrix are in it. {ONCE}": _naive,
    f"Every pair is there twice, (i, j) and (j, i). {ONCE}": (
        lambda s, near: [p for p in _naive(s, near) if p[0] != p[1]]
    ),
    f"Each picture is its own twin: the diagonal is in it. {ONCE}": (
        lambda s, near: _upper(s, near, 0)
    ),
    "Pairs of neighbours, (i, i + 1), are missing: triu(diagonal=2) leaves out one diagonal too "
    "many.": lambda s, near: _upper(s, near, 2),
    "Each pair has the larger number first (tril). i < j.": (
        lambda s, near: [(j, i) for i, j in _once(s, near)]
    ),
    "Only pictures that follow each other are compared. Every picture is compared with every "
    "other.": lambda s, near: [p for p in _once(s, near) if p[1] == p[0] + 1],
    "Only each picture's nearest is looked at. Of three copies there are three pairs: every pair "
    "at or above the threshold.": _nearest_only,
    "A picture that has a partner gets no other. Every pair counts.": _used_up,
    "A picture that was somebody's twin is left out from there on. Every pair counts; what to "
    "delete is another question.": _of_the_first,
    "Pairs are linked to groups, and pairs within a group came back that are not near themselves. "
    "Each pair by its own cosine.": _linked,
    "One pair came back, the nearest. All at or above the threshold are asked for.": (
        lambda s, near: _closest_first(s, _once(s, near))[:1]
    ),
    "The first picture is missing from every pair (a loop from 1).": (
        lambda s, near: [p for p in _once(s, near) if p[0]]
    ),
    "The last picture is missing from every pair (a loop that ends at N - 1).": (
        lambda s, near: [p for p in _once(s, near) if p[1] < len(s) - 1]
    ),
}
ORDER: Table = {
    "The pairs are right, and come in the order of their numbers. Most alike first: sort by the "
    "cosine, descending.": lambda s, pairs: sorted(pairs),
    "The pairs are right and the least alike come first. Most alike first: descending=True.": (
        lambda s, pairs: _closest_first(s, pairs)[::-1]
    ),
    "The pairs are right, and come in the order of their second numbers. Most alike first: sort by "
    "the cosine, descending.": lambda s, pairs: sorted(pairs, key=lambda p: p[::-1]),
}
ENDS: Table = {
    "Numbers are counted from 1. The first picture is 0.": lambda pairs: _rows(pairs) + 1,
    "Two rows came back, all i and all j. A pair is a row: (P, 2), so stack with dim=1.": (
        lambda pairs: torch.Size((2, len(pairs)))
    ),
    "Each row has three numbers. The pair alone, (P, 2); whoever wants the cosine computes it.": (
        lambda pairs: torch.Size((len(pairs), 3))
    ),
    "One number a pair came back. Both are asked for, (P, 2).": (
        lambda pairs: torch.Size((len(pairs),))
    ),
    "How many pairs there are came back, and not which.": lambda pairs: len(pairs),
}


def _matrix(features: Tensor, threshold: float) -> torch.Size:
    return torch.Size((len(features), len(features)))


def _mistakes() -> Table:
    table = {m: _pairs(similar=piece) for m, piece in SIMILAR.items()}
    table |= {m: _pairs(near=piece) for m, piece in NEAR.items()}
    table |= {m: _pairs(chosen=piece) for m, piece in CHOSEN.items()}
    table |= {m: _pairs(order=piece) for m, piece in ORDER.items()}
    table |= {m: _pairs(end=piece) for m, piece in ENDS.items()}
    naive, twice, *_ = CHOSEN.values()
    plain, *_ = ORDER.values()
    return table | {
        "A matrix came back, (N, N). The pairs are asked for: where it is true, by .nonzero().": (
            _matrix
        ),
        "One answer a picture came back, whether it has a twin. The pairs are asked for.": (
            lambda features, threshold: torch.Size((len(features),))
        ),
        "Self-matches are in it, every pair is there twice, and nothing is sorted. "
        f"{ONCE} Then the most alike first.": _pairs(chosen=naive, order=plain),
        "Every pair is there twice, (i, j) and (j, i), and nothing is sorted. "
        f"{ONCE} Then the most alike first.": _pairs(chosen=twice, order=plain),
        "Self-matches are in it, and nothing is sorted. "
        f"{ONCE} Then the most alike first.": _pairs(
            chosen=lambda s, near: _upper(s, near, 0), order=plain
        ),
        "Dot products of the features as they came (cosines divide by both lengths), and nothing "
        "is sorted. Then the most alike first.": _pairs(
            similar=lambda x: x @ x.T, order=plain
        ),
        "Exact copies are missing, and nothing is sorted. Leave out the diagonal by its place and "
        "not by cos < 1; then the most alike first.": _pairs(
            near=lambda s, t: (s >= t) & (s < 1 - 1e-6), order=plain
        ),
    }  # fmt: skip


def _otherwise(case: tuple, got: object, right: Tensor) -> str | None:
    """Which pair is missing, or is there for nothing."""
    if not isinstance(got, Tensor) or got.ndim != 2 or got.shape[1] != 2:
        return None
    features, threshold = case
    cosines = _cosines(features.double())
    mine = [tuple(p) for p in got.long().tolist()]
    want = [tuple(p) for p in right.tolist()]
    n = len(features)
    if any(not 0 <= i < n for p in mine for i in p):
        return f"A number in your pairs is none of a picture: there are {n}, 0 to {n - 1}."
    if threshold <= 0 and set(mine) - set(want) == {(i, j) for i in range(n) for j in range(i + 1)}:
        return ZEROS
    for i, j in sorted(set(want) - set(mine)):
        return (
            f"At a threshold of {threshold:g} the pair ({i}, {j}) is missing; its cosine is "
            f"{cosines[i, j]:.3f}."
        )
    for i, j in sorted(set(mine) - set(want)):
        return (
            f"At a threshold of {threshold:g} the pair ({i}, {j}) is too much; its cosine is "
            f"{cosines[i, j]:.3f}." if i < j else f"The pair ({i}, {j}) is too much: i < j."
        )  # fmt: skip
    if len(mine) > len(set(mine)):
        return "A pair is there more than once."
    if any(cosines[a] < cosines[b] - 1e-6 for a, b in pairwise(mine)):
        return "The pairs are right and their order is not: the most alike come first."
    return None


def _case(n: int, dim: int, copies: list[tuple[int, int, float]], threshold: float) -> tuple:
    """Features of many lengths, all a little alike, some copied with some noise."""
    x = torch.randn(n, dim) + 0.5
    for source, copy, noise in copies:
        x[copy] = x[source] + noise * torch.randn(dim)
    lengths = 0.1 + 3 * torch.rand(n, 1) ** 2
    for source, copy, noise in copies:
        if noise == 0:
            lengths[copy] = lengths[source]
    return x * lengths, threshold


@check("11.1", "near-duplicates")
def check_11_1(near_duplicates):
    @functools.wraps(near_duplicates)
    def ask(features, threshold):
        got = near_duplicates(features, threshold)
        if isinstance(got, set):
            raise Wrong("A set has no order. Return the pairs in a tensor, the most alike first.")
        if isinstance(got, list | tuple):
            expect(
                all(isinstance(p, list | tuple) and len(p) == 2 for p in got),
                "Return the pairs as a tensor (P, 2), or as a list of pairs (i, j). (.nonzero("
                "as_tuple=True), or torch.where, gives all i and all j apart.)",
            )
            got = torch.tensor([[int(i) for i in p] for p in got], dtype=torch.long).view(-1, 2)
        if isinstance(got, Tensor) and not got.numel():
            got = torch.zeros(0, 2, dtype=torch.long)
        if isinstance(got, Tensor) and got.ndim == 2 and got.shape[1] == 2:
            expect(
                not got.is_floating_point() and got.dtype != torch.bool,
                f"The numbers of pictures are whole numbers; yours are {got.dtype}.",
            )
            if got.numel() and got.min() >= 0 and got.max() < len(features):
                s = _cosines(features.detach().double())
                got = _rows(_ties_settled(s, [tuple(p) for p in got.tolist()])).to(got)
        return got

    # Four of a case are alike enough to be several pairs; one is an exact copy.
    cases = [
        _case(9, 5, [(1, 4, 0.3), (1, 7, 0.2), (2, 3, 0.1), (0, 8, 0.0), (5, 6, 0.5)], 0.9),
        _case(7, 8, [(0, 5, 0.5), (0, 2, 0.6), (3, 6, 0.2), (3, 4, 1.4)], 0.75),
        _case(8, 4, [(6, 7, 0.3), (0, 1, 0.4), (4, 2, 0.9), (5, 3, 0.0)], 0.8),
        _case(8, 5, [(6, 7, 0.3), (0, 1, 0.9)], 0.12),
        (0.05 * _case(6, 4, [(1, 4, 0.8)], 0)[0], -0.2),  # nearly all, and all lie close together
        # By hand, and exact: cosines of 1/2 and 0; the threshold is met.
        (torch.tensor([[2.0, 2, 2, 2], [1, -1, 0, 0], [1, 1, 1, -1]]), 0.5),
        (torch.tensor([[3.0, 4.0], [-4.0, 3.0], [-3.0, -4.0]]), 0.9),  # none
    ]
    compare(ask, cases, _pairs(), _mistakes(), "(P, 2)", "The list of pairs", otherwise=_otherwise)
    none = near_duplicates(cases[-1][0], 0.9)
    expect(
        isinstance(none, Tensor),
        f"The pairs are right; return them as a tensor, int64 (P, 2). Yours is a "
        f"{type(none).__name__}, and pairs[:, 0] fails: torch.tensor(pairs).view(-1, 2).",
    )
    expect(
        tuple(none.shape) == (0, 2),
        "Where no pair is near enough the result should be of shape (0, 2); yours is "
        f"{tuple(getattr(none, 'shape', ()))}.",
    )
