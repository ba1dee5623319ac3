"""Exercise 6.1, mean of entropies and entropy of the mean: tells apart what is averaged, over what,
and when.
"""

import math

import numpy as np
import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import ENTROPY, with_piece


def _h(q: Tensor) -> Tensor:
    return torch.special.entr(q).sum(-1)


def _usage(first=lambda q: _h(q).mean(), second=lambda q: _h(q.mean(0))):
    return lambda q: (first(q), second(q))


def _renormalised(q: Tensor) -> Tensor:
    return q / q.sum()


ROWS_FIRST = (
    "You summed over the rows (dim 0), which gives an entropy to each prototype. A target is a "
    "row: sum over its prototypes, dim=-1."
)
# q (..., K) -> (...), put into both numbers.
WRONG_ENTROPIES = {
    message: piece
    for message, piece in ENTROPY.items()
    if not message.startswith(("The entropy is summed", "You returned one", "The sum over"))
} | {
    "A target with a 0 in it gives nan: 0 * log(0) is nan to a computer, and 0 by its limit. "
    "torch.special.entr(q) is -q log q with 0 at 0.": lambda q: -(q * q.log()).sum(-1),
    "You put 0 in the place of nan after the sum, and a target with a zero in it loses all its "
    "other terms. Each *term* 0 log 0 is 0.": lambda q: (-(q * q.log()).sum(-1)).nan_to_num(),
    "Both terms of a binary entropy are in it, q log q + (1 - q) log(1 - q). Over many prototypes "
    "there is the first alone.": lambda q: (torch.special.entr(q) + torch.special.entr(1 - q)).sum(
        -1
    ),
    "You took a softmax of the targets (F.cross_entropy does by itself). They are probabilities "
    "already.": lambda q: -(q * q.log_softmax(-1)).sum(-1),
    "You took a softmax of the targets. They are probabilities already; the formula takes them as "
    "they are.": lambda q: _h(q.softmax(-1)),
    "You took log_softmax of the targets and weighted it by their softmax. They are probabilities "
    "already: only the logarithm is missing.": lambda q: -(q.softmax(-1) * q).sum(-1),
    "This is ln K less the entropy, the distance to uniform. The entropy itself is asked for.": (
        lambda q: math.log(q.shape[-1]) - _h(q)
    ),
    "This is -log of the sum of squares (Renyi's entropy). Shannon's is asked for: -sum q log q.": (
        lambda q: -q.square().sum(-1).log()
    ),
    "The weights are squared: -sum q^2 log q. Each logarithm is weighted by q once.": (
        lambda q: (q * torch.special.entr(q)).sum(-1)
    ),
    "This is -log of the largest probability. The others count as well: -sum q log q.": (
        lambda q: -q.amax(-1).log()
    ),
    "log1p(q) is log(1 + q). The logarithm of q itself is asked for.": (
        lambda q: -(q * q.log1p()).sum(-1)
    ),
    **{
        f"log(q + {e:g}) changes the entropies by more than rounding. torch.special.entr(q) needs "
        "no such help: it is 0 at 0.": lambda q, e=e: -(q * (q + e).log()).sum(-1)
        for e in (1e-4, 1e-3, 1e-2)
    },
    **{
        f"You held q at {e:g} or more, and zeros count as something. torch.special.entr(q) is 0 at "
        "0.": lambda q, e=e: _h(q.clamp(min=e))
        for e in (1e-4, 1e-3, 1e-2)
    },
}
WRONG_EACH = {
    "Your first number is the entropy of the mean target. It should be the mean of the rows' "
    "entropies: first the entropy of each row, then the average.": lambda q: _h(q.mean(0)),
    "You returned one entropy a row. Average them: one number tells how sure a target is on "
    "average.": _h,
    "Your first number has a dimension of size 1 (keepdim). A scalar is asked for, of shape ().": (
        lambda q: _h(q).mean()[None]
    ),
    "You summed the entropies of the rows. Take their mean, so that the number does not depend on "
    "the batch size.": lambda q: _h(q).sum(),
    "You divided the sum of all entropies by K, the number of prototypes (or summed over dim 0 and "
    "averaged). Sum over a row's prototypes, dim=-1, then average over the rows.": (
        lambda q: _h(q).sum() / q.shape[-1]
    ),
    f"{ROWS_FIRST} Then average over the rows.": lambda q: torch.special.entr(q).sum(0),
    "The sum over prototypes is missing: these are the terms of the entropies.": (
        torch.special.entr
    ),
    "You took the median of the rows' entropies. Their mean is asked for.": (
        lambda q: _h(q).median()
    ),
    "You took the median of the rows' entropies. Their mean is asked for. (Yours is NumPy's.)": (
        lambda q: _h(q).quantile(0.5)
    ),
    "You took the largest of the rows' entropies. Their mean is asked for.": lambda q: _h(q).max(),
    "You took the smallest of the rows' entropies. Their mean is asked for.": lambda q: _h(q).min(),
    "Only the first row is in your first number. It is a mean over all rows.": lambda q: _h(q[0]),
    "Only the last row is in your first number. It is a mean over all rows.": lambda q: _h(q[-1]),
    "Targets with a zero in them are left out of the average (nanmean). Each *term* 0 log 0 is 0, "
    "and the row counts.": lambda q: (-(q * q.log()).sum(-1)).nanmean(),
    "You took out the zeros of all rows together and averaged what is left, entry by entry. An "
    "entropy is a sum over a row; only rows are averaged.": (
        lambda q: -(q[q > 0] * q[q > 0].log()).mean()
    ),
    "This is the spread (std) of the rows' entropies. Their mean is asked for.": (
        lambda q: _h(q).std()
    ),
}
WRONG_TOGETHER = {
    "Your second number is the mean of the entropies again. Average the targets first, over the "
    "rows, and take the entropy of that one distribution.": lambda q: _h(q).mean(),
    "You averaged over the prototypes (dim -1), which gives 1/K for every row. Average the rows, "
    "dim=0: how much mass each prototype gets.": lambda q: torch.special.entr(q.mean(-1)).sum(),
    "You averaged over rows and prototypes at once, which is 1/K always. Average the rows, "
    "dim=0.": lambda q: torch.special.entr(q.mean()),
    "Your second number has a dimension of size 1 (keepdim). A scalar is asked for, of shape ().": (
        lambda q: _h(q.mean(0))[None]
    ),
    "You summed the rows and did not divide by their number, so the mean target does not sum to 1. "
    "Take targets.mean(dim=0).": lambda q: _h(q.sum(0)),
    "You divided the rows' sum by K. The mean target is their sum over the number of rows.": (
        lambda q: _h(q.sum(0) / q.shape[-1])
    ),
    "Your second number is the difference, what a target tells of its image. Return the entropy of "
    "the mean itself; the difference is taken later.": lambda q: _h(q.mean(0)) - _h(q).mean(),
    "Your second number is the difference the wrong way round. Return the entropy of the mean "
    "itself.": lambda q: _h(q).mean() - _h(q.mean(0)),
    "You counted winners (argmax). A target that is 60 : 40 uses both prototypes: average the "
    "probabilities themselves.": (
        lambda q: _h(torch.bincount(q.argmax(-1), minlength=q.shape[-1]) / len(q))
    ),
    "You counted how many prototypes are used. Their entropy is asked for.": (
        lambda q: torch.tensor(float((q.mean(0) > 0).sum()))
    ),
    "You took each prototype's largest probability in place of its mean over the rows.": (
        lambda q: _h(_renormalised(q.amax(0)))
    ),
    "You took each prototype's median in place of its mean over the rows.": (
        lambda q: _h(q.median(0).values)
    ),
    "You averaged the logarithms (a geometric mean). Average the probabilities.": (
        lambda q: _h((q + 1e-12).log().mean(0).softmax(-1))
    ),
    "You took a softmax of the mean target. It is a distribution already.": (
        lambda q: _h(q.mean(0).softmax(-1))
    ),
    "You returned the mean target. Its entropy is asked for.": lambda q: q.mean(0),
    "The sum over prototypes is missing from the second entropy.": (
        lambda q: torch.special.entr(q.mean(0))
    ),
    "You averaged the second entropy over the prototypes, too. It is a sum over them.": (
        lambda q: torch.special.entr(q.mean(0)).mean()
    ),
    "Only the first row is in your second number. Average over all of them.": lambda q: _h(q[0]),
}


@check("6.1", "mean of entropies, entropy of the mean")
def check_6_1(usage):
    def both(targets: Tensor) -> tuple:
        got = call(usage, targets)
        if isinstance(got, Tensor) and got.shape == (2,):
            got = tuple(got)
        expect(
            isinstance(got, tuple | list) and len(got) == 2,
            "Return two numbers: the mean of the rows' entropies, and the entropy of the mean row.",
        )
        return tuple(float(g) if isinstance(g, np.generic) else g for g in got)

    zeros = 3 * torch.randn(5, 6)
    zeros[:, 2], zeros[3, 4:] = -torch.inf, -torch.inf
    cases = [
        # Rows of entropy ln 2 and ln 4; their mean is (3/8, 3/8, 1/8, 1/8).
        torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]),
        torch.randn(9, 7).mul(2).softmax(-1),
        zeros.softmax(-1),
        torch.full((6, 5), 0.2),
        torch.eye(5)[[2] * 6],
        torch.eye(5),
    ]
    mistakes = {
        "The two are returned the other way round: first the mean of the rows' entropies, then the "
        "entropy of the mean row.": lambda q: (_h(q.mean(0)), _h(q).mean())
    }
    mistakes |= with_piece(lambda first: _usage(first=first), WRONG_EACH)
    mistakes |= with_piece(lambda second: _usage(second=second), WRONG_TOGETHER)
    mistakes |= with_piece(
        lambda h: _usage(lambda q: h(q).mean(), lambda q: h(q.mean(0))), WRONG_ENTROPIES
    )
    cases = [(q,) for q in cases]
    compare(both, cases, _usage(), mistakes, what="The pair (each, together)")
    expect_dtype(both, cases[1][0])
    expect_any_device(lambda q: tuple(usage(q))[1], cases[1][0])
