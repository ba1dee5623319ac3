"""Mistakes in exercise 12.1, the loss in slices: joins of the slices, temperatures, targets,
counts, means, and gradients.
"""

import functools
import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from minidino.checks.core import expect
from minidino.checks.mistakes import Table, with_piece

# ---------------------------------------------------------------- the loss, its pieces open


def _targets(q: Tensor, views: int) -> Tensor:
    """The targets that each view is scored against, summed: (V, B, K)."""
    total = q.sum(0)
    return torch.cat([total - q, total.expand(views - len(q), -1, -1)])


def sliced_loss(
    join: Callable = lambda s, size: s.logsumexp(-1),
    warm: Callable = lambda s, t: (s / t, s / t),
    lengths: Callable = lambda x, w: (x @ w.T, x @ w.T),
    targets: Callable = _targets,
    counts: Callable = lambda g, v: (g - 1, g, g),
    combine: Callable = lambda lse, dot, v, b, k, d: lse - dot,
    divide: Callable = lambda g, v, b, k: b * g * (v - 1),
    after: Callable = lambda loss, q, t: loss,
) -> Callable:
    """lean_loss(x, w, q, temp, slice_size), with all logits.

    Args:
        join: (V, B, K) logits -> the logsumexps.
        warm: raw scores -> those inside the logsumexp and those in the product.
        lengths: x, w -> raw scores inside the logsumexp and in the product.
        counts: of the first views' logsumexps, of the others', and how many the first are.
    """

    def loss(x: Tensor, w: Tensor, q: Tensor, temp: float, size: int) -> Tensor:
        (g, b, k), v = q.shape, len(x)
        inside, pulled = lengths(x, w)
        lse = join(warm(inside, temp)[0], size)
        first, others, n = counts(g, v)
        lses = first * lse[:n].sum() + others * lse[n:].sum()
        dot = (targets(q, v) * warm(pulled, temp)[1]).sum()
        return after(combine(lses, dot, v, b, k, x.shape[-1]) / divide(g, v, b, k), q, temp)

    return loss


def _slices(change: Callable[[Tensor], Tensor]) -> Callable:
    """A join by ``change`` of the slices' logsumexps, (slices, V, B)."""
    return lambda s, size: change(torch.stack([p.logsumexp(-1) for p in s.split(size, -1)]))


def _windows(starts: Callable, width: Callable) -> Callable:
    """A join of windows of the logits that are no slices."""

    def join(s: Tensor, size: int) -> Tensor:
        cut = [s[..., i : i + width(size)] for i in range(*starts(s.shape[-1], size))]
        return torch.stack([p.logsumexp(-1) for p in cut]).logsumexp(0)

    return join


def _log_of_sum(s: Tensor, shift: Tensor) -> Tensor:
    return (s - shift).logsumexp(-1)


BY_LOGSUMEXP = "torch.logsumexp over the slices' results joins them."
JOINS: Table = {
    "You added the slices' logsumexps. Sums of exponentials add up, logarithms do not: "
    f"{BY_LOGSUMEXP}": _slices(lambda p: p.sum(0)),
    "You averaged the slices' logsumexps. They are joined as the prototypes within a slice are: "
    "by a logsumexp.": _slices(lambda p: p.mean(0)),
    "You took the largest of the slices' logsumexps. That is near, but the others count too: join "
    "them by a logsumexp.": _slices(lambda p: p.amax(0)),
    "Only the last slice's logsumexp is left. Each slice has to be joined to those before it.": (
        _slices(lambda p: p[-1])
    ),
    "Only the first slice's logsumexp counts. Do you return from inside the loop?": (
        _slices(lambda p: p[0])
    ),
    "Your running logsumexp begins at 0, which is the logsumexp of one score of 0: a prototype "
    "too many. Begin with -inf, or with the first slice.": (
        lambda s, size: torch.logaddexp(s.logsumexp(-1), torch.zeros(1).double())
    ),
    "You took a log_softmax within each slice: then each slice's exponentials sum to 1, and its "
    "logsumexp is 0. Take the logsumexp of the scores.": _slices(lambda p: (0 * p).logsumexp(0)),
    "You took each slice's largest score away before the exponential, and did not add it again: "
    "lse(s) = m + log sum exp(s - m). torch.logsumexp does both.": (
        lambda s, size: torch.stack(
            [_log_of_sum(p, p.amax(-1, keepdim=True)) for p in s.split(size, -1)]
        ).logsumexp(0)
    ),
    "You took each view's largest score away before the exponential, and did not add it again: "
    "lse(s) = m + log sum exp(s - m). torch.logsumexp does both.": (
        lambda s, size: _log_of_sum(s, s.amax(-1, keepdim=True))
    ),
    "You took the slices' largest logsumexp away to join them, and did not add it again.": (
        _slices(lambda p: (p - p.amax(0)).logsumexp(0))
    ),
    "The logarithm is missing: this is the sum of exponentials. A logsumexp is its logarithm.": (
        lambda s, size: s.exp().sum(-1)
    ),
    "You took the logarithm of the slices' summed logsumexps. Their exponentials are summed: "
    f"{BY_LOGSUMEXP}": _slices(lambda p: p.sum(0).log()),
    "You joined the slices by the logarithm of a *mean* of exponentials (a division by the number "
    "of slices). It is their sum.": _slices(lambda p: p.exp().mean(0).log()),
    "You took a mean of exponentials over the prototypes. A logsumexp sums them.": (
        lambda s, size: s.exp().mean(-1).log()
    ),
    "The last slice is missing: K does not divide by slice_size, and what is left over counts "
    "too. range(0, K, slice_size) has it.": (
        lambda s, size: s[..., : s.shape[-1] // size * size].logsumexp(-1)
    ),
    "The last slice is always missing, whether K divides by slice_size or not.": (
        _slices(lambda p: p[:-1].logsumexp(0))
    ),
    "The first slice is missing.": _slices(lambda p: p[1:].logsumexp(0)),
    "Your slices overlap: they begin at every prototype, so most are counted slice_size times. "
    "range(0, K, slice_size) steps by a slice.": _windows(
        lambda k, size: (k - size + 1,), lambda size: size
    ),
    "Your slices overlap: they begin at every prototype, and the last ones run out at the end. "
    "range(0, K, slice_size) steps by a slice.": _windows(lambda k, size: (k,), lambda size: size),
    "Your slices overlap by one prototype, which counts twice: w[i : i + slice_size] ends before "
    "its second number.": _windows(lambda k, size: (0, k, size), lambda size: size + 1),
    "Between your slices a prototype is left out: w[i : i + slice_size] already ends before its "
    "second number.": _windows(lambda k, size: (0, k, size), lambda size: size - 1),
    "log1p is the logarithm of 1 + x, which counts a score of 0 in every slice.": (
        _slices(lambda p: p.exp().log1p().logsumexp(0))
    ),
    "You took a softmax within each slice, and the logsumexp of that. It is of the scores.": (
        lambda s, size: torch.stack(
            [p.softmax(-1).logsumexp(-1) for p in s.split(size, -1)]
        ).logsumexp(0)
    ),
    "You weighted the slices by their number of prototypes. Each logsumexp is a sum over them "
    "already.": lambda s, size: torch.stack(
        [p.logsumexp(-1) + math.log(p.shape[-1]) for p in s.split(size, -1)]
    ).logsumexp(0),
    "You divided the logsumexp of the slices by their number.": (
        lambda s, size: s.logsumexp(-1) / -(-s.shape[-1] // size)
    ),
    "You took the slices' logsumexps over the views (dim 0). They are over prototypes: dim=-1.": (
        lambda s, size: torch.stack([p.logsumexp(0) for p in s.split(size, -1)]).logsumexp(0)
    ),
    "You took the slices' logsumexps over the images (dim 1). They are over prototypes: dim=-1.": (
        lambda s, size: torch.stack([p.logsumexp(1) for p in s.split(size, -1)]).logsumexp(0)
    ),
    "You joined the slices over the images of the batch as well. Each image has a logsumexp of its "
    "own: torch.stack(lses).logsumexp(dim=0).": lambda s, size: s.logsumexp((-1, -2)),
    "You joined over the views in place of the slices. In torch.stack(lses) the slices are "
    "dimension 0.": _slices(lambda p: p.logsumexp(1)),
    "You joined over the images in place of the slices. In torch.stack(lses) the slices are "
    "dimension 0.": _slices(lambda p: p.logsumexp(2)),
    "torch.cat puts the views of one slice behind those of another, so that the logsumexp over "
    "dim 0 mixes views. torch.stack gives the slices a dimension of their own.": (
        _slices(lambda p: p.flatten(0, 1).logsumexp(0))
    ),
    "torch.cat puts the views of one slice behind those of another, and only the first slice's "
    "are read as views. torch.stack gives the slices a dimension of their own.": (
        _slices(lambda p: p.flatten(0, 1))
    ),
}


# ---------------------------------------------------------------- temperatures, lengths

DIVIDE = "Both terms are of s, the scores over the temperature: x @ prototypes.T / temp."
HEATS = {
    "not divided by the temperature": lambda s, t: s,
    "multiplied by the temperature": lambda s, t: s * t,
    "divided by the root of the temperature": lambda s, t: s / t**0.5,
    "divided by the temperature twice": lambda s, t: s / t**2,
    "divided by 0.1, whatever the argument": lambda s, t: s / 0.1,
}
PLACES = {  # where -> whether it is inside the logsumexp, and in the product
    "Inside the logsumexp": (True, False),
    "In the product with the targets": (False, True),
    "In both terms": (True, True),
}


def _heats() -> Table:
    return {
        f"{where} the scores are {what}. {DIVIDE}": sliced_loss(
            warm=lambda s, t, heat=heat, places=places: tuple(
                heat(s, t) if here else s / t for here in places
            )
        )
        for what, heat in HEATS.items()
        for where, places in PLACES.items()
    }


def _normalised() -> Table:
    unit = functools.partial(F.normalize, dim=-1)
    table = {}
    for what, x_too, w_too in (
        ("both x and the prototypes", True, True),
        ("x", True, False),
        ("the prototypes", False, True),
    ):
        for where, places in PLACES.items():

            def lengths(x, w, places=places, x_too=x_too, w_too=w_too):
                t = (unit(x) if x_too else x) @ (unit(w) if w_too else w).T
                return tuple(t if here else x @ w.T for here in places)

            table[
                f"{where} you normalised {what} (F.normalize). x and prototypes are taken as they "
                "are; whoever calls has normalised what needs it."
            ] = sliced_loss(lengths=lengths)
    return table


# ---------------------------------------------------------------- targets, counts, the mean


def _with_targets(of_global: Callable, of_local: Callable = lambda q: q.sum(0)) -> Callable:
    """Targets by the teacher's q for each global view, (G, B, K), and for a local one, (B, K)."""

    def targets(q: Tensor, views: int) -> Tensor:
        return torch.cat([of_global(q), of_local(q).expand(views - len(q), -1, -1)])

    return targets


def _others(q: Tensor) -> Tensor:
    return q.sum(0) - q


TARGETS: Table = {
    "The teacher's own view is not subtracted from the summed targets: view i < n_global is "
    "scored against q_sum - q[i].": _with_targets(lambda q: q.sum(0).expand_as(q)),
    "A global view is scored against its own target, the one that it must not see: take q_sum - "
    "q[i], the others.": _with_targets(lambda q: q),
    "You averaged the targets; in the product they are summed, one for each pair.": (
        lambda q, v: _targets(q, v) / len(q)
    ),
    "You averaged the targets that count; in the product they are summed, one for each pair.": (
        _with_targets(lambda q: _others(q) / max(1, len(q) - 1), lambda q: q.mean(0))
    ),
    "You averaged the targets, and took a view's own target away from the mean. It is taken away "
    "from the sum.": _with_targets(lambda q: q.mean(0) - q, lambda q: q.mean(0)),
    "You added a global view's own target to the sum. It is taken away: q_sum - q[i].": (
        _with_targets(lambda q: q.sum(0) + q)
    ),
    "The global views' product has the wrong sign: it is q_sum - q[i], not q[i] - q_sum.": (
        _with_targets(lambda q: q - q.sum(0))
    ),
    "A local view is scored against the first target alone. It has all of them: the sum.": (
        _with_targets(_others, lambda q: q[0])
    ),
    "A local view is scored against the last target alone. It has all of them: the sum.": (
        _with_targets(_others, lambda q: q[-1])
    ),
    "A global view is scored against one other target (q.flip(0), or the next one): that is right "
    "of two global views only. Take q_sum - q[i].": _with_targets(lambda q: q.flip(0)),
    "A global view is scored against one other target, the next one: that is right of two global "
    "views only. Take q_sum - q[i].": _with_targets(lambda q: q.roll(-1, 0)),
    "A global view is scored against one other target, the one before: that is right of two "
    "global views only. Take q_sum - q[i].": _with_targets(lambda q: q.roll(1, 0)),
    "The product is missing for the local views.": _with_targets(_others, lambda q: 0 * q[0]),
    "The product is missing for the global views.": _with_targets(lambda q: 0 * q),
    "The last views are taken for the global ones in the product. x has them first.": (
        lambda q, v: _targets(q, v).roll(v - len(q), 0)
    ),
    "You took a softmax of q. Its rows are distributions already.": (
        lambda q, v: _targets(q.softmax(-1), v)
    ),
    "You took the largest entry of q for a label. A target is a whole distribution.": (
        lambda q, v: _targets(F.one_hot(q.argmax(-1), q.shape[-1]).double(), v)
    ),
    "You took the logarithm of q. In a cross-entropy it is the student's that is taken.": (
        lambda q, v: _targets(q.log(), v)
    ),
    "You normalised q (F.normalize). Its rows sum to 1, as they should.": (
        lambda q, v: _targets(F.normalize(q, dim=-1), v)
    ),
}
COUNTS: Table = {
    "The count of targets is wrong: a global view has one target less than a local one, so its "
    "logsumexp counts n_global - 1 times.": lambda g, v: (g, g, g),
    "The count of targets is wrong: each logsumexp counts as often as the view has targets, "
    "n_global times for a local view. You counted it once.": lambda g, v: (1, 1, g),
    "The count of targets is wrong: all logsumexps count n_global - 1 times. A local view has "
    "n_global targets.": lambda g, v: (g - 1, g - 1, g),
    "The counts are swapped: a global view has n_global - 1 targets, since it is not scored "
    "against its own, and a local view n_global.": lambda g, v: (g, g - 1, g),
    "A global view's logsumexp counts n_global + 1 times in yours. It has n_global - 1 targets, "
    "one less than a local view.": lambda g, v: (g + 1, g, g),
    "The count of targets is wrong: a logsumexp counts n_global - 1 times for a global view, and "
    "n_global times for a local one. You counted a local view's once.": lambda g, v: (g - 1, 1, g),
    "The logsumexp is missing for the local views.": lambda g, v: (g - 1, 0, g),
    "The logsumexp is missing for the global views.": lambda g, v: (0, g, g),
    "The last views are taken for the global ones in the counts of the logsumexps. x has them "
    "first.": lambda g, v: (g, g - 1, v - g),
    "A logsumexp counts V - 1 times in yours. It counts as often as the view has targets: n_global "
    "- 1 times for a global view, n_global times for a local one.": lambda g, v: (v - 1, v - 1, g),
}
TIMES = {
    "0": lambda g: 0,
    "1": lambda g: 1,
    "n_global - 1": lambda g: g - 1,
    "n_global": lambda g: g,
    "n_global + 1": lambda g: g + 1,
}
# What COUNTS leaves of pairs of counts.
COUNTED = (
    ("n_global - 1", "n_global"), ("n_global", "n_global"), ("1", "1"),
    ("n_global - 1", "n_global - 1"), ("n_global", "n_global - 1"), ("n_global + 1", "n_global"),
    ("n_global - 1", "1"), ("n_global - 1", "0"), ("0", "n_global"), ("0", "0"),
)  # fmt: skip
COUNTS |= {
    f"A logsumexp counts {a} times for a global view and {b} times for a local one in yours. It "
    "counts as often as the view has targets, n_global - 1 times and n_global times.": (
        lambda g, v, a=of_a, b=of_b: (a(g), b(g), g)
    )
    for (a, of_a), (b, of_b) in itertools.product(TIMES.items(), TIMES.items())
    if (a, b) not in COUNTED
}
MEAN = "The loss is a mean over the B images and the G (V - 1) pairs of different views."
DIVISORS: Table = {
    f"You returned the sum. {MEAN}": lambda g, v, b, k: 1,
    "You divided by the number of pairs and not by the batch: the loss is a mean over the images "
    "too.": lambda g, v, b, k: g * (v - 1),
    "You divided by the batch, and not by the number of pairs, n_global * (views - 1).": (
        lambda g, v, b, k: b
    ),
    f"You divided by n_global * views: a view is not scored against itself. {MEAN}": (
        lambda g, v, b, k: b * g * v
    ),
    f"n_global is missing from what you divide by: you divided by views - 1. {MEAN}": (
        lambda g, v, b, k: b * (v - 1)
    ),
    f"You divided by views - 1 alone. {MEAN}": lambda g, v, b, k: v - 1,
    f"You divided by the number of views in place of the number of pairs. {MEAN}": (
        lambda g, v, b, k: b * v
    ),
    f"You divided by the number of views alone. {MEAN}": lambda g, v, b, k: v,
    f"You divided by n_global in place of the number of pairs. {MEAN}": lambda g, v, b, k: b * g,
    f"You divided by n_global alone. {MEAN}": lambda g, v, b, k: g,
    f"You divided by n_global * views, and not by the batch. {MEAN}": lambda g, v, b, k: g * v,
    f"You divided by n_global * (views - n_global), the pairs with a local view. {MEAN}": (
        lambda g, v, b, k: b * g * (v - g)
    ),
    f"You divided by (n_global - 1) * (views - 1). {MEAN}": lambda g, v, b, k: (
        b * (g - 1) * (v - 1)
    ),
    f"You divided by (n_global - 1) * views. {MEAN}": lambda g, v, b, k: b * (g - 1) * v,
    f"You divided by views * (views - 1), as if every view had a target. {MEAN}": (
        lambda g, v, b, k: b * v * (v - 1)
    ),
    f"You divided by n_global * views - 1. Each of the n_global targets meets itself once: "
    f"n_global * views - n_global. {MEAN}": lambda g, v, b, k: b * (g * v - 1),
    f"You divided by the number of prototypes as well; over them it is a sum. {MEAN}": (
        lambda g, v, b, k: b * g * (v - 1) * k
    ),
    f"You divided by the batch twice. {MEAN}": lambda g, v, b, k: b * b * g * (v - 1),
}
SAME_VIEW = (
    "The pairs of a view with itself are kept: n_global * views terms where there should be "
    "n_global * (views - 1). Skip them; the student would only learn to copy."
)


def _mean_entropy(q: Tensor) -> Tensor:
    return torch.special.entr(q).sum(-1).mean()


def _fixed_at_two() -> Table:
    """n_global taken for 2: in the counts, in the split of the views, in the pairs, in q."""
    table = {}
    parts = ("the counts", "where the views are split", "the number of pairs")
    for chosen in range(1, 8):
        counts, split, pairs = (bool(chosen >> i & 1) for i in range(3))
        names = " and ".join(p for i, p in enumerate(parts) if chosen >> i & 1)
        table[f"n_global is written in as 2, in {names}. It is len(q)."] = sliced_loss(
            counts=lambda g, v, c=counts, s=split: (
                1 if c else g - 1, 2 if c else g, 2 if s else g,
            ),
            targets=lambda q, v, s=split: (
                torch.cat([q.sum(0) - q[:2], q.sum(0).expand(v - 2, -1, -1)])
                if s and len(q) > 1 else _targets(q, v)
            ),
            divide=lambda g, v, b, k, p=pairs: b * (2 if p else g) * (v - 1),
        )  # fmt: skip
    table["You took n_global for 2, and the first two targets for all. It is len(q)."] = (
        lambda x, w, q, t, size: sliced_loss()(x, w, q[:2], t, size)
    )
    return table


def _without_rest(x: Tensor, w: Tensor, q: Tensor, temp: float, size: int) -> Tensor:
    k = len(w) // size * size or len(w)
    return sliced_loss()(x, w[:k], q[..., :k], temp, size)


def sliced_mistakes() -> Table:
    table = with_piece(lambda join: sliced_loss(join=join), JOINS)
    table |= _heats() | _normalised()
    table |= with_piece(lambda targets: sliced_loss(targets=targets), TARGETS)
    table |= with_piece(lambda counts: sliced_loss(counts=counts), COUNTS)
    table |= with_piece(lambda divide: sliced_loss(divide=divide), DIVISORS)
    table |= _fixed_at_two()
    every = _with_targets(lambda q: q.sum(0).expand_as(q))
    sums = {"counts": lambda g, v: (g, g, g), "targets": every}
    return table | {
        SAME_VIEW: sliced_loss(**sums, divide=lambda g, v, b, k: b * g * v),
        "A view's own target is not taken away, neither from the sum nor from the count: these are "
        "n_global * views terms, divided by n_global * (views - 1).": sliced_loss(**sums),
        "You have the local views only; the student's global views count too, each against the "
        "teacher's other ones.": sliced_loss(
            counts=lambda g, v: (0, g, g),
            targets=_with_targets(lambda q: 0 * q),
            divide=lambda g, v, b, k: b * g * (v - g),
        ),
        "You have the local views only, divided by the number of all pairs; the student's global "
        "views count too.": sliced_loss(
            counts=lambda g, v: (0, g, g), targets=_with_targets(lambda q: 0 * q)
        ),
        "You have the global views only; the local ones count too.": sliced_loss(
            counts=lambda g, v: (g - 1, 0, g),
            targets=_with_targets(_others, lambda q: 0 * q[0]),
            divide=lambda g, v, b, k: b * g * max(1, g - 1),
        ),
        "The last views are taken for the global ones. x has them first.": sliced_loss(
            counts=lambda g, v: (g, g - 1, v - g),
            targets=lambda q, v: _targets(q, v).roll(v - len(q), 0),
        ),
        "The last prototypes are missing from both terms: K does not divide by slice_size, and "
        "what is left over counts too. range(0, K, slice_size) has it.": _without_rest,
        "The sign is turned round: it is logsumexp(s) - <q, s>.": sliced_loss(
            combine=lambda lse, dot, *_: dot - lse
        ),
        "You added the product. It is taken away: logsumexp(s) - <q, s>.": sliced_loss(
            combine=lambda lse, dot, *_: lse + dot
        ),
        "You left the logsumexp out. Without it a student lowers the loss by raising all its "
        "scores.": sliced_loss(combine=lambda lse, dot, *_: -dot),
        "You left the product with the targets out: nothing tells the student which prototype.": (
            sliced_loss(combine=lambda lse, dot, *_: lse)
        ),
        "The product is not averaged over the images, as the logsumexps are.": sliced_loss(
            combine=lambda lse, dot, v, b, k, d: lse - dot * b
        ),
        "The logsumexps are not averaged over the images, as the product is.": sliced_loss(
            combine=lambda lse, dot, v, b, k, d: lse * b - dot
        ),
        "The product is averaged over d. It is a sum over it: (x * pull).sum().": sliced_loss(
            combine=lambda lse, dot, v, b, k, d: lse - dot / d
        ),
        "The product is averaged over the prototypes. It is a sum over them.": sliced_loss(
            combine=lambda lse, dot, v, b, k, d: lse - dot / k
        ),
        "The scores are divided by the root of d, as in attention. Here the temperature alone "
        "divides.": sliced_loss(lengths=lambda x, w: (x @ w.T / x.shape[-1] ** 0.5,) * 2),
        "You took the softmax over the views. The distribution is over prototypes: dim=-1.": (
            lambda x, w, q, t, size: _by_log_softmax(x, w, q, t, 0)
        ),
        "You took the softmax over the images. The distribution is over prototypes: dim=-1.": (
            lambda x, w, q, t, size: _by_log_softmax(x, w, q, t, 1)
        ),
        "You have the pairs i < j only. A student's view is scored against every teacher's view "
        "but its own, the later one too: i != j.": lambda *case: _of_pairs(
            *case, lambda i, j: i < j
        ),
        "You have the pairs i < j only, over the number of all pairs. It is i != j.": (
            lambda *case: _of_pairs(*case, lambda i, j: i < j, every=True)
        ),
        "You cut along d, the second dimension of prototypes. It is the K prototypes that are "
        "cut: prototypes.split(slice_size).": lambda x, w, q, t, size: sliced_loss(
            join=lambda s, size: torch.stack(
                [(x @ p.T / t).logsumexp(-1) for p in w.split(size, 1)]
            ).logsumexp(0)
        )(x, w, q, t, size),
        "You divided the logsumexp by the temperature. It is the scores that are divided, inside "
        "the logsumexp: (x @ part.T / temp).logsumexp(-1).": _after_lse(
            lambda s, t, size: s.logsumexp(-1) / t
        ),
        "You divided each slice's logsumexp by the temperature. It is the scores that are divided, "
        "inside the logsumexp: (x @ part.T / temp).logsumexp(-1).": _after_lse(
            lambda s, t, size: torch.stack(
                [p.logsumexp(-1) / t for p in s.split(size, -1)]
            ).logsumexp(0)
        ),
        "You multiplied the logsumexp by the temperature. It divides the scores, no more.": (
            _after_lse(lambda s, t, size: t * (s / t).logsumexp(-1))
        ),
        "You multiplied the loss by the temperature at the end. It divides the scores, and nothing "
        "else.": sliced_loss(after=lambda loss, q, t: loss * t),
        "You divided the loss by the temperature at the end. It divides the scores, and nothing "
        "else.": sliced_loss(after=lambda loss, q, t: loss / t),
        "You took the targets' own entropy away, which leaves KL(q || p). The loss is the "
        "cross-entropy: lse - <q, s> is all of it.": sliced_loss(
            after=lambda loss, q, t: loss - _mean_entropy(q)
        ),
        "The loss is taken slice by slice, each with a log_softmax of its own, and the parts are "
        "added: a slice's prototypes compete with each other alone. The denominator is of all K: "
        "join the logsumexps first.": _slice_by_slice,
        "You added the targets' own entropy. The loss is the cross-entropy: lse - <q, s> is all of "
        "it.": sliced_loss(after=lambda loss, q, t: loss + _mean_entropy(q)),
    }


def _by_log_softmax(x: Tensor, w: Tensor, q: Tensor, temp: float, dim: int) -> Tensor:
    log_p = (x @ w.T / temp).log_softmax(dim)
    return -(_targets(q, len(x)) * log_p).sum() / (x.shape[1] * len(q) * (len(x) - 1))


def _slice_by_slice(x: Tensor, w: Tensor, q: Tensor, temp: float, size: int) -> Tensor:
    parts = zip(w.split(size), q.split(size, -1), strict=True)
    return sum(_by_log_softmax(x, *part, temp, -1) for part in parts)


def _of_pairs(
    x: Tensor, w: Tensor, q: Tensor, temp: float, size: int, keep: Callable, every: bool = False
) -> Tensor:
    """The mean over pairs (i, j) that are kept, or their sum over the number of all pairs."""
    log_p = (x @ w.T / temp).log_softmax(-1)
    terms = [
        -(q[i] * log_p[j]).sum(-1).mean()
        for i in range(len(q))
        for j in range(len(x))
        if keep(i, j)
    ]
    return torch.stack(terms).sum() / (len(q) * (len(x) - 1) if every else len(terms))


def _after_lse(lse: Callable) -> Callable:
    """The loss with logsumexps of raw scores, (s, temp, slice_size) -> (V, B)."""

    def loss(x: Tensor, w: Tensor, q: Tensor, temp: float, size: int) -> Tensor:
        def join(s, size):
            return lse(s, temp, size)

        return sliced_loss(join=join, warm=lambda s, t: (s, s / t))(x, w, q, temp, size)

    return loss


# ---------------------------------------------------------------- gradients


def gradients(loss: Callable) -> Callable:
    """(x, w, ...) -> the gradients for x and for w; zeros where there is none."""

    @functools.wraps(loss)
    def of(x: Tensor, w: Tensor, *others) -> tuple[Tensor, Tensor]:
        x, w = (t.detach().clone().requires_grad_() for t in (x, w))
        got = loss(x, w, *others)
        expect(
            got.requires_grad,
            "The value is right, but no gradient reaches the student; it cannot learn. Is there a "
            "no_grad or a detach?",
        )
        got.backward()
        return tuple(torch.zeros_like(t) if t.grad is None else t.grad for t in (x, w))

    return of


def _late(x: Tensor, w: Tensor, q: Tensor, temp: float, size: int) -> Tensor:
    """What is computed again in the backward pass is the last slice, every time."""

    def lse(x, part):
        return (x @ part.T / temp).logsumexp(-1)

    def join(s, size):
        return torch.stack(
            [
                checkpoint(lambda x: lse(x, part), x, use_reentrant=False)  # noqa: B023
                for part in w.split(size)
            ]
        ).logsumexp(0)

    return sliced_loss(join=join)(x, w, q, temp, size)


def _cut(inside: str = "", pulled: str = "") -> Callable:
    """The gradients of a loss in which x, w or both are detached in one of its terms."""

    def product(x, w, cut):
        return (x.detach() if "x" in cut else x) @ (w.detach() if "w" in cut else w).T

    return gradients(
        sliced_loss(lengths=lambda x, w: (product(x, w, inside), product(x, w, pulled)))
    )


def _by_hand(above: bool = True, temperature: bool = True, sign: int = 1) -> Callable:
    """Gradients with a backward pass of the logsumexp that is written by hand, and wrong."""

    def of(x, w, q, temp, size):
        rest = _cut(inside="xw")(x, w, q, temp, size)
        g, v = len(q), len(x)
        n = torch.full((v, 1, 1), float(g)).double()
        n[:g] -= 1
        p = (x @ w.T / temp).softmax(-1) * (n / (x.shape[1] * g * (v - 1)) if above else 1)
        p = sign * p / (temp if temperature else 1)
        return rest[0] + p @ w, rest[1] + torch.einsum("vbk,vbd->kd", p, x)

    return of


RIGHT_BUT = "The value is right, but"
GRADIENT_MISTAKES: Table = {
    f"{RIGHT_BUT} x is detached inside the logsumexp: nothing pushes it away from prototypes.": (
        _cut(inside="x")
    ),
    f"{RIGHT_BUT} the prototypes are detached inside the logsumexp. Hand them to checkpoint as "
    "they are.": _cut(inside="w"),
    f"{RIGHT_BUT} the logsumexp has no gradient (no_grad, detach, .data). The product alone pulls, "
    "and nothing holds against it.": _cut(inside="xw"),
    f"{RIGHT_BUT} x is detached in the product with the targets.": _cut(pulled="x"),
    f"{RIGHT_BUT} the prototypes are detached in the product with the targets. The targets are "
    "constants, the prototypes are trained.": _cut(pulled="w"),
    f"{RIGHT_BUT} the product with the targets has no gradient. The targets alone are constants.": (
        _cut(pulled="xw")
    ),
    f"{RIGHT_BUT} no gradient reaches x. Both the bottleneck vectors and the prototypes are "
    "trained.": _cut("x", "x"),
    f"{RIGHT_BUT} no gradient reaches the prototypes. Both the bottleneck vectors and the "
    "prototypes are trained.": _cut("w", "w"),
    f"{RIGHT_BUT} x is detached inside the logsumexp, and the prototypes in the product.": (
        _cut("x", "w")
    ),
    f"{RIGHT_BUT} the prototypes are detached inside the logsumexp, and x in the product.": (
        _cut("w", "x")
    ),
    f"{RIGHT_BUT} the backward pass computes the last slice again, in place of every slice: a "
    "lambda or inner function reads the loop's variable when it is *called*, and then the loop is "
    "over. Hand the slice to checkpoint as an argument: checkpoint(f, x, part, "
    "use_reentrant=False).": gradients(_late),
    f"{RIGHT_BUT} only the last slice's logsumexp has a gradient: the running one is detached.": (
        gradients(
            sliced_loss(join=_slices(lambda p: torch.cat([p[:-1].detach(), p[-1:]]).logsumexp(0)))
        )
    ),
    f"{RIGHT_BUT} only the first slice's logsumexp has a gradient.": (
        gradients(
            sliced_loss(join=_slices(lambda p: torch.cat([p[:1], p[1:].detach()]).logsumexp(0)))
        )
    ),
    f"{RIGHT_BUT} the backward pass that you wrote for the logsumexp does not multiply by the "
    "gradient that comes from above.": _by_hand(above=False),
    f"{RIGHT_BUT} the backward pass that you wrote for the logsumexp lacks the temperature: s is "
    "x @ part.T / temp.": _by_hand(temperature=False),
    f"{RIGHT_BUT} the backward pass that you wrote for the logsumexp has the wrong sign: its "
    "gradient is the softmax.": _by_hand(sign=-1),
}
