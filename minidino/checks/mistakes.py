"""Mistakes in the pieces that every notebook meets again: softmax, entropies, averages, attention.

Each table has what is wrong, in words, and a function that goes wrong so. An exercise puts
these in the place of the right piece of its own reference (``with_piece``), so that a mistake
in a softmax is known by the same words wherever a softmax is written.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product
from typing import Any

import torch
from torch import Tensor

Table = dict[str, Callable[..., Any]]


def with_piece(build: Callable[[Callable], Callable], pieces: Mapping[str, Callable]) -> Table:
    """Message -> the exercise's function, built with this wrong piece in it."""
    return {message: build(piece) for message, piece in pieces.items()}


def both(build: Callable, **parts: Mapping[str, Any]) -> Iterator[tuple[str, Callable]]:
    """Message and the exercise's function, of every two wrong pieces in two of its parts.

    Args:
        build: keyword arguments, the pieces -> the function with these in it.
        parts: a keyword of ``build`` -> what is wrong, in words -> the wrong piece.
    """
    for (one, first), (other, second) in combinations(parts.items(), 2):
        for (a, x), (b, y) in product(first.items(), second.items()):
            yield f"Two things. {a} {b}", build(**{one: x, other: y})


# ---------------------------------------------------------------- distributions

DIM = "The distribution is over prototypes, the last dimension: dim=-1."
CEILING = (
    "log(p + eps) puts a ceiling on the loss: a student that is more wrong pays no more, and its "
    "gradient is gone. Use log_softmax."
)

CAPPED = (  # where it is not known by what
    "Your loss has a ceiling: log(p + eps), a clamp of p or nan_to_num stops the logarithm where p "
    "is next to 0. A student that is more wrong pays no more, and its gradient is gone. Use "
    "log_softmax."
)


def softmax(x: Tensor, temperature: float, dim: int = -1) -> Tensor:
    return torch.softmax(x / temperature, dim)


def _shifted(x: Tensor) -> Tensor:
    return x - x.amax(-1, keepdim=True)


OVERFLOW = (
    "Scores of 40 beside scores of -60 at a temperature of 0.04 give nan: exp(1000) is beyond "
    "float32, and exp(-1500) is 0. Take each row's own largest score away first (torch.softmax "
    "does); it cancels in the quotient."
)
UNUSED = (
    "The temperature that you were given makes no difference. Is a number written in, or another "
    "variable of that kind? It is an argument."
)


# (scores (..., K), temperature) -> (..., K)
SOFTMAX: Table = {
    f"You took the softmax over the rows (dim 0), so your columns sum to 1. {DIM}": (
        lambda x, t: softmax(x, t, 0)
    ),
    "You divided by the sum over the whole batch. Each row is a distribution of its own: sum over "
    "dim=-1, keepdim=True.": lambda x, t: (x / t).exp() / (x / t).exp().sum(),
    "You divided by a sum over dim=-1 without keepdim=True: each row meets another row's sum. Keep "
    "the dimension.": lambda x, t: (x / t).exp() / (x / t).exp().sum(-1),
    "You multiplied by the temperature. Divide: a low temperature makes differences between scores "
    "larger, and the softmax sharper.": lambda x, t: torch.softmax(x * t, -1),
    "The temperature has no effect: without it a target is not sharpened, and centering alone "
    "collapses to a uniform one. (s - max / T divides the largest alone: brackets.)": lambda x, t: (
        torch.softmax(x, -1)
    ),
    "You divided after the softmax; the rows no longer sum to 1. The temperature divides the "
    "scores, before the exponential.": lambda x, t: torch.softmax(x, -1) / t,
    "You raised the probabilities to the power 1 / temperature and left it at that; the rows no "
    "longer sum to 1. Divide the scores, before the softmax.": (
        lambda x, t: torch.softmax(x, -1) ** (1 / t)
    ),
    "You divided by the root of the temperature, as attention does with its dimension. Here the "
    "temperature itself divides.": lambda x, t: softmax(x, math.sqrt(t)),
    "You divided by the temperature squared, or twice. Once is enough.": (
        lambda x, t: softmax(x, t * t)
    ),
    "These are logarithms of probabilities (log_softmax). The probabilities themselves are asked "
    "for.": lambda x, t: softmax(x, t).log(),
    "These are exponentials that nothing divides: the rows do not sum to 1.": (
        lambda x, t: (x / t).exp()
    ),
    "These are the scores over the temperature; the softmax is missing.": lambda x, t: x / t,
    "This is a sigmoid, which looks at each score alone. A softmax weighs them against each other: "
    "the rows sum to 1.": lambda x, t: torch.sigmoid(x / t),
    "You divided the scores by their sum. A softmax takes the exponential first.": (
        lambda x, t: (x / t) / (x / t).sum(-1, keepdim=True)
    ),
    "This is the argmax as a one-hot row: what is known about the runners-up is lost. A softmax "
    "gives every score its share.": (
        lambda x, t: torch.nn.functional.one_hot(x.argmax(-1), x.shape[-1]).double()
    ),
    "A softmax of a softmax: the second makes everything nearly equal. One is enough.": (
        lambda x, t: torch.softmax(softmax(x, t), -1)
    ),
    "You took the row's largest score away above the fraction but not below it. It must cancel: "
    "use the same shifted exponentials in both.": (
        lambda x, t: (_shifted(x) / t).exp() / (x / t).exp().sum(-1, keepdim=True)
    ),
    "The temperature stands only above the fraction, or only below it. It divides the scores in "
    "both.": lambda x, t: (x / t).exp() / x.exp().sum(-1, keepdim=True),
    "The sign of the scores is turned round (a softmin, or center - logits): the smallest gets the "
    "most.": (lambda x, t: softmax(-x, t)),
    "You took the power of 2 where e belongs: exp, and not exp2.": (
        lambda x, t: softmax(x * math.log(2), t)
    ),
    "You took the power of 10 where e belongs: exp.": lambda x, t: softmax(x * math.log(10), t),
    "You cut scores / temperature to whole numbers: // where / belongs, or an int.": (
        lambda x, t: torch.softmax(x // t, -1)
    ),
    "You normalised the scores to length 1 first. Raw scores are asked for: their size matters.": (
        lambda x, t: softmax(x / x.norm(dim=-1, keepdim=True), t)
    ),
    "You divided the scores by their standard deviation as well. The temperature alone divides.": (
        lambda x, t: softmax(x / x.std(-1, keepdim=True), t)
    ),
    "A softmax of a softmax, with the temperature in both. One is enough.": (
        lambda x, t: softmax(softmax(x, t), t)
    ),
    "A small number is added to the denominator, so the rows sum to less than 1. A sum of "
    "exponentials is never 0.": (
        lambda x, t: (
            (_shifted(x) / t).exp() / ((_shifted(x) / t).exp().sum(-1, keepdim=True) + 1e-3)
        )
    ),
}

# The same, where there may be three dimensions.
SOFTMAX_3D: Table = {
    f"You took the softmax over the rows (dim=-2), so your columns sum to 1. {DIM}": (
        lambda x, t: softmax(x, t, -2)
    ),
    f"You took the softmax over dim 1; of (views, rows, K) that is the rows. {DIM}": (
        lambda x, t: softmax(x, t, 1)
    ),
    f"You called softmax without dim; of three dimensions PyTorch takes the first. {DIM}": (
        lambda x, t: softmax(x, t, 0 if x.ndim == 3 else -1)
    ),
}


def _log(p: Tensor, eps: float = 0.0) -> Tensor:
    return (p + eps).log()


# (scores (..., K), temperature) -> log-probabilities (..., K)
LOG_SOFTMAX: Table = {
    f"The student's log_softmax is over the rows (dim 0). {DIM}": (
        lambda x, t: torch.log_softmax(x / t, 0)
    ),
    "You did not divide the student's logits by its temperature.": (
        lambda x, t: torch.log_softmax(x, -1)
    ),
    "You multiplied the student's logits by the temperature. Divide.": (
        lambda x, t: torch.log_softmax(x * t, -1)
    ),
    "You divided by the temperature after the logarithm. It divides the logits, inside the "
    "softmax.": lambda x, t: torch.log_softmax(x, -1) / t,
    "You used 0.9 for the student's temperature; that is the center's momentum. Use the argument "
    "(0.1 in DINO).": lambda x, t: torch.log_softmax(x / 0.9, -1),
    "The logarithm is missing: these are the student's probabilities.": (
        lambda x, t: softmax(x, t)
    ),
    "The temperature divides the scores but not what is taken from them: the logsumexp needs it "
    "too. log_softmax(x / temperature) has it in both.": (
        lambda x, t: x / t - torch.logsumexp(x, -1, keepdim=True)
    ),
    "The temperature divides what is taken from the scores, the logsumexp, but not the scores.": (
        lambda x, t: x - torch.logsumexp(x / t, -1, keepdim=True)
    ),
    "You multiplied by T^2, as distillation to soft labels does. DINO's loss is not scaled.": (
        lambda x, t: torch.log_softmax(x / t, -1) * t * t
    ),
    "You took the logarithm of raw scores over the temperature, without the softmax.": (
        lambda x, t: (x / t).log()
    ),
    "The softmax is missing: you multiplied the target with raw scores.": lambda x, t: x / t,
    "You took log_softmax of a softmax, as F.cross_entropy does with probabilities: it wants "
    "logits. One softmax too many.": lambda x, t: torch.log_softmax(softmax(x, t), -1),
    "Your logarithm is to base 2 (bits). Entropies here are in nats: the natural logarithm.": (
        lambda x, t: torch.log_softmax(x / t, -1) / math.log(2)
    ),
    "Your logarithm is to base 10. Entropies here are in nats: the natural logarithm.": (
        lambda x, t: torch.log_softmax(x / t, -1) / math.log(10)
    ),
    "log1p(p) is log(1 + p). The logarithm of p itself is asked for: log_softmax.": (
        lambda x, t: softmax(x, t).log1p()
    ),
    **{
        f"{CEILING} (eps = {e:g})": lambda x, t, e=e: _log(softmax(x, t), e)
        for e in (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
    },
    **{
        f"A clamp puts a ceiling on the loss, like log(p + eps): beyond it there is no gradient. "
        f"Use log_softmax. (p is held at {e:g}.)": (
            lambda x, t, e=e: softmax(x, t).clamp(min=e).log()
        )
        for e in (1e-8, 1e-6, 1e-5, 1e-4, 1e-3)
    },
}

# (q (..., K), log_p (..., K)) -> (...)
CROSS_ENTROPY: Table = {
    "You averaged over the K prototypes. A cross-entropy is a sum over them: an expectation under "
    "q.": lambda q, lp: -(q * lp).mean(-1),
    "The sign is turned round: log p is negative, and a cross-entropy is positive.": (
        lambda q, lp: (q * lp).sum(-1)
    ),
    "You returned one number for the batch, the mean (as F.cross_entropy does by itself). Here "
    "each "
    "row has its own cross-entropy.": (lambda q, lp: -(q * lp).sum(-1).mean()),
    "You returned one number, the sum of the batch. Each row has its own.": (
        lambda q, lp: -(q * lp).sum()
    ),
    "You averaged over rows and prototypes at once. Sum over prototypes, one number a row.": (
        lambda q, lp: -(q * lp).mean()
    ),
    "You summed over the rows (dim 0). The sum is over prototypes: dim=-1.": (
        lambda q, lp: -(q * lp).sum(0)
    ),
    "The sum over prototypes is missing: one number a row is asked for.": lambda q, lp: -(q * lp),
    "You swapped the two: the target q goes in front, the logarithm is the student's. H(q, p) = "
    "-sum q log p.": lambda q, lp: -(lp.exp() * q.log()).sum(-1),
    "You returned KL(q || p). The cross-entropy keeps the target's entropy: H(q, p) = H(q) + "
    "KL(q || p).": lambda q, lp: (torch.special.xlogy(q, q) - q * lp).sum(-1),
    "This is the target's own entropy; the student is not in it.": (
        lambda q, lp: torch.special.entr(q).sum(-1)
    ),
    "This is the student's entropy; the target is not in it.": lambda q, lp: (
        -(lp.exp() * lp).sum(-1)
    ),
    "You scored the target's largest entry alone, as with a label. The target is a whole "
    "distribution: sum over it.": (
        lambda q, lp: -lp.gather(-1, q.argmax(-1, keepdim=True)).squeeze(-1)
    ),
    "Only the target's largest prototype counts in your sum. The tails belong to it too.": (
        lambda q, lp: -(q * lp).gather(-1, q.argmax(-1, keepdim=True)).squeeze(-1)
    ),
    "You took squared differences of the probabilities (MSE). DINO's loss is the cross-entropy.": (
        lambda q, lp: (q - lp.exp()).square().sum(-1)
    ),
    "You took squared differences of the probabilities (MSE), averaged over the prototypes. DINO's "
    "loss is the cross-entropy.": lambda q, lp: (q - lp.exp()).square().mean(-1),
    "You took the logarithm after the sum: -log sum q p. It belongs inside: -sum q log p.": (
        lambda q, lp: -(q * lp.exp()).sum(-1).log()
    ),
    "Both terms of the binary cross-entropy are in it, q log p + (1 - q) log(1 - p). Over many "
    "prototypes there is the first alone.": (
        lambda q, lp: -(q * lp + (1 - q) * torch.log1p(-lp.exp())).sum(-1)
    ),
}

CROSS_ENTROPY |= {
    "Every target met every student, a square of numbers (q @ log_p.T). Row i of the one belongs "
    "to row i of the other: multiply and sum.": lambda q, lp: -(q @ lp.T),
    "Labels are smoothed: part of the target's mass is spread over all prototypes. The target is "
    "used as it is.": lambda q, lp: -((0.9 * q + 0.1 / q.shape[-1]) * lp).sum(-1),
    "The two went into F.cross_entropy the other way round: logits come first, the target "
    "second.": lambda q, lp: -(lp.exp() * torch.log_softmax(q, -1)).sum(-1),
    "Small probabilities of the target are held up by a clamp, or by an eps. It is used as it "
    "is.": (lambda q, lp: -(q.clamp(min=1e-3) * lp).sum(-1)),
}

# q (..., K) -> (...)
ENTROPY: Table = {
    "This is in bits: log2. DINO counts in nats, the natural logarithm.": (
        lambda q: torch.special.entr(q).sum(-1) / math.log(2)
    ),
    "This is the entropy to base 10. DINO counts in nats, the natural logarithm.": (
        lambda q: torch.special.entr(q).sum(-1) / math.log(10)
    ),
    "This is the entropy over ln K, a share between 0 and 1. It is asked for in nats, undivided.": (
        lambda q: torch.special.entr(q).sum(-1) / math.log(q.shape[-1])
    ),
    "The sign of the entropy is turned round; it is never negative.": (
        lambda q: -torch.special.entr(q).sum(-1)
    ),
    "You averaged over the prototypes; the entropy is a sum.": (
        lambda q: torch.special.entr(q).mean(-1)
    ),
    "The entropy is summed over the rows (dim 0). It is a sum over prototypes, dim=-1.": (
        lambda q: torch.special.entr(q).sum(0)
    ),
    "You returned one entropy, the sum over the whole batch. Each row has its own: dim=-1.": (
        lambda q: torch.special.entr(q).sum()
    ),
    "You returned one entropy, the batch's mean. Each row has its own: dim=-1.": (
        lambda q: torch.special.entr(q).sum(-1).mean()
    ),
    "The sum over prototypes is missing: one entropy a row is asked for.": torch.special.entr,
    "This is -sum log q; each logarithm is weighted by its q.": lambda q: -q.log().sum(-1),
    "This is sum q (1 - q), the Gini impurity. The entropy has a logarithm: -sum q log q.": (
        lambda q: (q * (1 - q)).sum(-1)
    ),
    "This is exp of the entropy (the perplexity). The entropy itself is asked for.": (
        lambda q: torch.special.entr(q).sum(-1).exp()
    ),
}

# (q, p) -> (...)
KL: Table = {
    "You swapped the two: this is KL(p || q). The teacher q is the one that is believed, so it "
    "stands in front.": lambda q, p: (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(
        -1
    ),
    "The sign of KL is turned round; it is never negative.": (
        lambda q, p: (torch.special.xlogy(q, p) - torch.special.xlogy(q, q)).sum(-1)
    ),
    "This is the cross-entropy; take the entropy of q away.": (
        lambda q, p: -torch.special.xlogy(q, p).sum(-1)
    ),
    "This is KL in bits: log2. DINO counts in nats, the natural logarithm.": (
        lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(-1) / math.log(2)
    ),
    "You averaged KL over the prototypes; it is a sum. (F.kl_div with reduction='mean' does.)": (
        lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).mean(-1)
    ),
    "You took the student's entropy away from the cross-entropy. It is the target's: KL(q || p) = "
    "H(q, p) - H(q).": (
        lambda q, p: (torch.special.xlogy(p, p) - torch.special.xlogy(q, p)).sum(-1)
    ),
    "You added the entropy; KL is the cross-entropy less the entropy.": (
        lambda q, p: (torch.special.entr(q) - torch.special.xlogy(q, p)).sum(-1)
    ),
    "You averaged KL over the rows: one number for the batch. Each row has its own.": (
        lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(-1).mean()
    ),
    "You summed KL over the whole batch (F.kl_div with reduction='sum' does). Each row has its "
    "own.": lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(),
    "The sum over prototypes is missing from KL.": (
        lambda q, p: torch.special.xlogy(q, q) - torch.special.xlogy(q, p)
    ),
    "You divided the sum over everything by the number of the first dimension (F.kl_div with "
    "reduction='batchmean' does). Each row has its own: reduction='none', then sum over dim=-1.": (
        lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum() / len(q)
    ),
    "You averaged KL over everything (F.kl_div does by itself). Each row has its own: "
    "reduction='none', then sum over dim=-1.": (
        lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).mean()
    ),
    "F.kl_div wants the logarithm of the student's probabilities, and got the probabilities.": (
        lambda q, p: (torch.special.xlogy(q, q) - q * p).sum(-1)
    ),
    "You took a log_softmax of p, which holds probabilities, not logits: one softmax too many.": (
        lambda q, p: (torch.special.xlogy(q, q) - q * torch.log_softmax(p, -1)).sum(-1)
    ),
    "You took absolute values, of each term or of all. Terms of KL may be negative; only their sum "
    "is not.": lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).abs().sum(-1),
    "You cut negative terms of KL off. They count; only their sum is never negative.": (
        lambda q, p: (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).clamp(min=0).sum(-1)
    ),
    "The factor q is missing: this is sum log(q / p).": lambda q, p: (q / p).log().sum(-1),
    "This is symmetric, KL(q || p) + KL(p || q), or half of it. One direction is asked for.": (
        lambda q, p: ((q - p) * (q / p).log()).sum(-1)
    ),
}

# ---------------------------------------------------------------- averages


def _average_constant(m: float) -> str:
    return (
        f"The momentum you were given is not used; this is an average with the constant {m}. "
        "It is an argument."
    )


# (old, new, momentum) -> the moving average
AVERAGE: Table = {
    "Old and new are swapped: a momentum of 0.9 keeps nine tenths of the old one.": (
        lambda old, new, m: (1 - m) * old + m * new
    ),
    "You returned the new value alone; the momentum is not used. The average moves slowly: "
    "momentum * old + (1 - momentum) * new.": lambda old, new, m: new,
    "It did not move: this is the old value.": lambda old, new, m: old,
    "The new value is not weighted, so the two weights sum to more than 1 and the average grows "
    "with every step. It gets 1 - momentum.": lambda old, new, m: m * old + new,
    "The old value is not weighted, so the two weights sum to more than 1 and the average grows "
    "with every step. It keeps the share momentum.": lambda old, new, m: old + (1 - m) * new,
    "Both get the share momentum. The new value gets the rest, 1 - momentum.": (
        lambda old, new, m: m * old + m * new
    ),
    "Both get the share 1 - momentum. The old value keeps the share momentum.": (
        lambda old, new, m: (1 - m) * old + (1 - m) * new
    ),
    "The new part is taken away where it should be added.": (
        lambda old, new, m: m * old - (1 - m) * new
    ),
    "This is the plain mean of old and new; the momentum is not used.": (
        lambda old, new, m: (old + new) / 2
    ),
    "Only the old part is there; nothing of the new one was added.": lambda old, new, m: m * old,
    "Only the new part is there; the old one was dropped.": lambda old, new, m: (1 - m) * new,
    "Brackets: you weighted the sum, momentum * (old + (1 - momentum) * new).": (
        lambda old, new, m: m * (old + (1 - m) * new)
    ),
    **{
        _average_constant(c): lambda old, new, m, c=c: c * old + (1 - c) * new
        for c in (0.9, 0.99, 0.996, 0.999)
    },
}

# ---------------------------------------------------------------- rows of length 1

# x (N, D) -> (N, D)
UNIT: Table = {
    "You normalised the columns (dim 0). A row is a feature, with a length of its own: dim=-1.": (
        lambda x: x / x.norm(dim=0)
    ),
    "You divided all rows by the length of the whole tensor. Each row has its own: dim=-1, "
    "keepdim=True.": lambda x: x / x.norm(),
    "You divided without keepdim=True: each row meets another row's length.": (
        lambda x: x / x.norm(dim=-1)
    ),
    "You divided by the sum of squares; its root is missing.": (
        lambda x: x / x.square().sum(-1, keepdim=True)
    ),
    "You divided by the sum of absolute values (p=1). Length is the root of the sum of squares.": (
        lambda x: x / x.abs().sum(-1, keepdim=True)
    ),
    "You divided by the sum of the entries. Length is the root of the sum of squares.": (
        lambda x: x / x.sum(-1, keepdim=True)
    ),
    "You divided by the largest entry. Length is the root of the sum of squares.": (
        lambda x: x / x.amax(-1, keepdim=True)
    ),
    "You divided by the largest absolute entry. Length is the root of the sum of squares.": (
        lambda x: x / x.abs().amax(-1, keepdim=True)
    ),
    "You divided by the root of the *mean* of squares; the length is the root of their sum.": (
        lambda x: x / x.square().mean(-1, keepdim=True).sqrt()
    ),
    "You took each row's mean away first (a layer norm, or a standard score). Only the length is "
    "to be divided out.": (
        lambda x: (
            (x - x.mean(-1, keepdim=True))
            / (x - x.mean(-1, keepdim=True)).norm(dim=-1, keepdim=True)
        )
    ),
    "This is a standard score, less the mean over the standard deviation. Only the length is to be "
    "divided out.": lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
    "This is a softmax: positive and summing to 1, but not of length 1.": lambda x: x.softmax(-1),
    "You multiplied by the length. Divide.": lambda x: x * x.norm(dim=-1, keepdim=True),
    "The rows are as they came; nothing was divided out.": lambda x: x,
    "1 is added to the length. It is divided by as it is.": (
        lambda x: x / (1 + x.norm(dim=-1, keepdim=True))
    ),
}

# ---------------------------------------------------------------- attention

KEYS = "Each query shares itself out among the keys: dim=-1 of the (N, N) scores."


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, dim: int = -1) -> Tensor:
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return (q @ k.transpose(-2, -1) * scale).softmax(dim) @ v


# (q, k, v), each (..., heads, N, d) -> (..., heads, N, d)
ATTENTION: Table = {
    "The scores are not divided by the root of the head's dimension, sqrt(d): they grow with it "
    "and "
    "the softmax saturates.": lambda q, k, v: attend(q, k, v, 1.0),
    "You divided by d, the head's dimension. Its root divides: sqrt(d).": (
        lambda q, k, v: attend(q, k, v, 1 / q.shape[-1])
    ),
    "You multiplied by sqrt(d). Divide.": lambda q, k, v: attend(q, k, v, q.shape[-1] ** 0.5),
    "You divided by the root of the whole width D = heads * d. Each head has only d of it: "
    "sqrt(d).": lambda q, k, v: attend(q, k, v, (q.shape[-1] * q.shape[-3]) ** -0.5),
    "You divided by the root of the number of tokens. The dimension of a head decides: sqrt(d).": (
        lambda q, k, v: attend(q, k, v, q.shape[-2] ** -0.5)
    ),
    "You divided by the root of the number of heads. The dimension of a head decides: sqrt(d).": (
        lambda q, k, v: attend(q, k, v, q.shape[-3] ** -0.5)
    ),
    f"The softmax is over the queries (dim -2). {KEYS}": lambda q, k, v: attend(q, k, v, dim=-2),
    f"The softmax is over the heads. {KEYS}": lambda q, k, v: attend(q, k, v, dim=-3),
    f"The softmax is over the batch (dim 0). {KEYS}": lambda q, k, v: attend(q, k, v, dim=0),
    "Queries and keys are swapped: the scores are k q^T. Row i belongs to query i: q k^T.": (
        lambda q, k, v: attend(k, q, v)
    ),
    "Keys and values are swapped.": lambda q, k, v: attend(q, v, k),
    "Queries and values are swapped.": lambda q, k, v: attend(v, k, q),
    "The three came in another order than you unpack: it is q, k, v.": (
        lambda q, k, v: attend(k, v, q)
    ),
    "The three came in another order than you unpack: it is q, k, v. (Yours is k, q, v's last.)": (
        lambda q, k, v: attend(v, q, k)
    ),
    "The softmax is missing: raw scores weigh the values.": (
        lambda q, k, v: (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5) @ v
    ),
    "The weights are transposed before they meet the values: row i should gather for token i.": (
        lambda q, k, v: (
            (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1).transpose(-2, -1) @ v
        )
    ),
    "You scaled after the softmax; the weights no longer sum to 1. Scale the scores.": (
        lambda q, k, v: attend(q, k, v, 1.0) * q.shape[-1] ** -0.5
    ),
    "Queries are compared with themselves, q q^T: the keys are not used.": (
        lambda q, k, v: attend(q, q, v)
    ),
    "Keys are compared with themselves, k k^T: the queries are not used.": (
        lambda q, k, v: attend(k, k, v)
    ),
    "A causal mask lets each token see only those before it. In a ViT all see all.": (
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    ),
    "The attention is missing: these are the values themselves.": lambda q, k, v: v,
    "Every token gets the mean of all values: the scores are not used.": (
        lambda q, k, v: v.mean(-2, keepdim=True).expand_as(v)
    ),
}
