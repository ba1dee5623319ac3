"""Exercise 10.1, InfoNCE with a queue: tells apart other scores, other negatives and other losses,
and gradients that reach what only serves as a key.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import UNIT, Table, with_piece


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _scores(q: Tensor, k: Tensor, queue: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """The positive's (B,) and the negatives' (B, L), over the temperature."""
    return (q * k).sum(1) / t, q @ queue.T / t


def _share(pos: Tensor, neg: Tensor) -> Tensor:
    """(B,) -log of the positive's softmax share."""
    return torch.logsumexp(torch.cat([pos[:, None], neg], 1), 1) - pos


def _loss(query=_unit, key=_unit, scores=_scores, each=_share, total=torch.mean) -> Callable:
    return lambda q, k, queue, t: total(each(*scores(query(q), key(k), queue, t)))


ALONE = "Only the key of the same image is the positive; the queue has the negatives."
SCORES: dict[str, Callable] = {
    "The temperature is missing: cosines lie in -1..1, and a softmax of them is nearly flat.": (
        lambda q, k, queue, t: _scores(q, k, queue, 1.0)
    ),
    "You multiplied by the temperature. Divide: a low one sharpens.": (
        lambda q, k, queue, t: _scores(q, k, queue, 1 / t)
    ),
    "Only the positive is divided by the temperature. The negatives are divided, too.": (
        lambda q, k, queue, t: ((q * k).sum(1) / t, q @ queue.T)
    ),
    "Only the negatives are divided by the temperature. The positive is divided, too.": (
        lambda q, k, queue, t: ((q * k).sum(1), q @ queue.T / t)
    ),
    "You divided by the root of the temperature. The temperature itself divides.": (
        lambda q, k, queue, t: _scores(q, k, queue, math.sqrt(t))
    ),
    "You divided by the temperature twice.": lambda q, k, queue, t: _scores(q, k, queue, t * t),
    "0.2 is written in for the temperature. It is an argument.": (
        lambda q, k, queue, t: _scores(q, k, queue, 0.2)
    ),
    "0.07 is written in for the temperature. It is an argument.": (
        lambda q, k, queue, t: _scores(q, k, queue, 0.07)
    ),
    "Scores are negative squared distances, twice as far apart as cosines. The cosine is asked "
    "for.": lambda q, k, queue, t: _scores(q, k, queue, t / 2),
    "The signs are turned round: you take distances as if they were similarities.": (
        lambda q, k, queue, t: _scores(q, k, queue, -t)
    ),
    f"The negatives are the other keys of this batch; the queue is not used. {ALONE}": (
        lambda q, k, queue, t: ((q * k).sum(1) / t, _others(q @ k.T) / t)
    ),
    f"The other keys of this batch are negatives as well, beside the queue. {ALONE}": (
        lambda q, k, queue, t: (
            (q * k).sum(1) / t, torch.cat([_others(q @ k.T), q @ queue.T], 1) / t
        )
    ),
    f"Every key of this batch is a negative as well, the positive among them. {ALONE}": (
        lambda q, k, queue, t: ((q * k).sum(1) / t, torch.cat([q @ k.T, q @ queue.T], 1) / t)
    ),
    "The labels are 0 for all, and column 0 is the first image's key: every query is told that the "
    "*first* key is its own. Put each query's own key into column 0, (q * k).sum(1).": (
        lambda q, k, queue, t: (
            q @ k[0] / t, torch.cat([(q @ k.T)[:, 1:], q @ queue.T], 1) / t
        )
    ),
    f"The other queries of the batch are the negatives; the queue is not used. {ALONE}": (
        lambda q, k, queue, t: ((q * k).sum(1) / t, _others(q @ q.T) / t)
    ),
    f"The positive is a row of the queue, and keys are not used. {ALONE}": (
        lambda q, k, queue, t: _scores(q, queue[: len(q)], queue, t)
    ),
    "The query is its own positive. Its positive is keys, the other view of the image.": (
        lambda q, k, queue, t: _scores(q, q, queue, t)
    ),
    "Each query meets the *next* image's key (a roll, or an order turned round).": (
        lambda q, k, queue, t: _scores(q, k.roll(-1, 0), queue, t)
    ),
    "The keys meet the queue, where the queries should: negatives are q @ queue.T.": (
        lambda q, k, queue, t: ((q * k).sum(1) / t, k @ queue.T / t)
    ),
    "All queries share the negatives' mean score. Each query has scores of its own.": (
        lambda q, k, queue, t: ((q * k).sum(1) / t, (q @ queue.T / t).mean(0).expand(len(q), -1))
    ),
    "The last key of the queue is left out.": (
        lambda q, k, queue, t: _scores(q, k, queue[:-1], t)
    ),
    "The first key of the queue is left out.": (
        lambda q, k, queue, t: _scores(q, k, queue[1:], t)
    ),
    "Only as many keys of the queue are used as the batch has images. All of them are negatives.": (
        lambda q, k, queue, t: _scores(q, k, queue[: len(q)], t)
    ),
}  # fmt: skip


def _others(square: Tensor) -> Tensor:
    """(B, B) -> (B, B - 1), without the diagonal."""
    n = len(square)
    return square[~torch.eye(n, dtype=torch.bool)].view(n, n - 1)


def _labelled(label: Callable[[Tensor], Tensor]) -> Callable:
    """Cross-entropy of (positive, negatives) with other labels."""
    return lambda pos, neg: F.cross_entropy(
        torch.cat([pos[:, None], neg], 1), label(neg), reduction="none"
    )


EACH: dict[str, Callable] = {
    "The positive is not in the denominator. The softmax is over 1 + L scores, the positive among "
    "them: -log of its share.": lambda pos, neg: neg.logsumexp(1) - pos,
    "The sign is turned round: the loss climbs as the positive comes nearer.": (
        lambda pos, neg: -_share(pos, neg)
    ),
    "This is the positive's share. Its negative logarithm is asked for.": (
        lambda pos, neg: (-_share(pos, neg)).exp()
    ),
    "This is 1 minus the positive's share. Its negative logarithm is asked for.": (
        lambda pos, neg: 1 - (-_share(pos, neg)).exp()
    ),
    "There is no negative in your loss: it asks that pairs be alike, and all images the same "
    "would be perfect.": lambda pos, neg: -pos,
    "You gave the cross-entropy probabilities. It takes the softmax itself: give it the scores.": (
        lambda pos, neg: F.cross_entropy(
            torch.cat([pos[:, None], neg], 1).softmax(1),
            torch.zeros(len(pos), dtype=torch.long),
            reduction="none",
        )
    ),
    "Each pair is judged on its own, by a sigmoid (binary cross-entropy), and the mean is taken. "
    "The softmax weighs the positive against all negatives.": (
        lambda pos, neg: torch.cat([F.softplus(-pos)[:, None], F.softplus(neg)], 1).mean(1)
    ),
    "Each pair is judged on its own, by a sigmoid (binary cross-entropy), and summed. The softmax "
    "weighs the positive against all negatives.": (
        lambda pos, neg: F.softplus(-pos) + F.softplus(neg).sum(1)
    ),
    "The denominator has the *mean* of the negatives' exponentials. It has their sum.": (
        lambda pos, neg: torch.log(pos.exp() + neg.exp().mean(1)) - pos
    ),
    "The denominator has the largest negative only. It has all of them.": (
        lambda pos, neg: _share(pos, neg.amax(1, keepdim=True))
    ),
    "The logarithm is of base 2. The natural one is asked for.": (
        lambda pos, neg: _share(pos, neg) / math.log(2)
    ),
    "The labels do not point at the positive: it stands in column 0, and label i (arange, as in "
    "SimCLR's square of scores) is a key of the queue.": _labelled(
        lambda neg: torch.arange(len(neg))
    ),
    "The labels point at the first key of the queue: the positive was put last. Column and label "
    "must agree.": _labelled(lambda neg: torch.ones(len(neg), dtype=torch.long)),
    "The labels point at the last key of the queue. The positive is in column 0.": _labelled(
        lambda neg: torch.full((len(neg),), neg.shape[1])
    ),
    "The labels are smoothed (0.1). The plain cross-entropy is asked for.": lambda pos, neg: (
        0.9 * _share(pos, neg)
        + 0.1 * (torch.cat([pos[:, None], neg], 1).logsumexp(1)
                 - torch.cat([pos[:, None], neg], 1).mean(1))
    ),
    "This is a margin (hinge) loss. The negative logarithm of a softmax share is asked for.": (
        lambda pos, neg: (1 + neg - pos[:, None]).clamp(min=0).mean(1)
    ),
    "ln(1 + L), the loss of a guess, is taken away. It stays.": (
        lambda pos, neg: _share(pos, neg) - math.log(1 + neg.shape[1])
    ),
}  # fmt: skip


def _mistakes() -> Table:
    right = _loss()
    plain = {
        m: f
        for m, f in UNIT.items()
        if not m.startswith(("The rows are as they came", "You divided without keepdim"))
    }
    table = with_piece(lambda piece: _loss(scores=piece), SCORES)
    table |= with_piece(lambda piece: _loss(each=piece), EACH)
    table |= with_piece(lambda piece: _loss(query=piece, key=piece), plain)
    table |= {f"{m} (Of the queries.)": _loss(query=piece) for m, piece in plain.items()}
    table |= {f"{m} (Of the keys.)": _loss(key=piece) for m, piece in plain.items()}
    return table | {
        "Queries and keys are not brought to length 1: these are dot products, not cosines.": (
            _loss(query=lambda x: x, key=lambda x: x)
        ),
        "The queries are not brought to length 1.": _loss(query=lambda x: x),
        "The keys are not brought to length 1. (The queue's are already.)": _loss(key=lambda x: x),
        "You summed over the batch; take the mean.": _loss(total=torch.sum),
        "The batch's largest loss is returned; take the mean.": _loss(total=torch.max),
        "You took the logarithm of the mean share. The mean of the logarithms is asked for.": (
            _loss(total=lambda each: -(-each).exp().mean().log())
        ),
        "You divided the sum by the queue's length. Divide by the number of queries.": (
            lambda q, k, queue, t: right(q, k, queue, t) * len(q) / len(queue)
        ),
        "The loss is multiplied by the temperature. Nothing multiplies it here.": (
            lambda q, k, queue, t: right(q, k, queue, t) * t
        ),
        "The loss is multiplied by 2 x the temperature, as MoCo v3 does. Nothing multiplies it "
        "here.": lambda q, k, queue, t: right(q, k, queue, t) * 2 * t,
        "Both ask, queries and keys, and the mean is taken. The queries alone ask.": (
            lambda q, k, queue, t: (right(q, k, queue, t) + right(k, q, queue, t)) / 2
        ),
        "Both ask, queries and keys, and the sum is taken. The queries alone ask.": (
            lambda q, k, queue, t: right(q, k, queue, t) + right(k, q, queue, t)
        ),
        "One loss an image came back. Return their mean.": (
            lambda q, k, queue, t: torch.Size((len(q),))
        ),
        f"This is SimCLR within the batch: its keys alone, and no queue. {ALONE}": (
            lambda q, k, queue, t: F.cross_entropy(
                _unit(q) @ torch.cat([_unit(k), 0 * _unit(k)[:1]]).T / t, torch.arange(len(q))
            )
        ),
    }  # fmt: skip


@check("10.1", "InfoNCE with a queue")
def check_10_1(info_nce):
    cases = [
        (3 * torch.randn(n, d), 0.5 * torch.randn(n, d), _unit(torch.randn(length, d)), t)
        for n, d, length, t in ((4, 5, 7, 0.5), (6, 4, 9, 0.3), (5, 3, 12, 0.8))
    ]
    # By hand: cosines 1, 0 and -1 at a temperature of 1, so -log of e / (e + 1 + 1/e).
    by_hand = (
        torch.tensor([[2.0, 0.0]]),
        torch.tensor([[3.0, 0.0]]),
        torch.tensor([[0.0, 1.0], [-1.0, 0.0]]),
        1.0,
    )
    compare(info_nce, [*cases, by_hand], _loss(), _mistakes(), "a scalar", "The loss")
    q, k, queue, t = cases[0]
    q, k, queue = (x.clone().requires_grad_() for x in (q, k, queue))
    loss = info_nce(q, k, queue, t)
    expect(
        isinstance(loss, Tensor) and loss.requires_grad,
        "No gradient flows into the queries: the loss is detached, or computed under no_grad. "
        "Only keys and queue are to be held.",
    )
    of_q, *others = torch.autograd.grad(loss, (q, k, queue), allow_unused=True)
    expect(of_q is not None and of_q.abs().sum() > 0, "No gradient flows into the queries.")
    for gradient, name in zip(others, ("keys", "queue"), strict=True):
        expect(
            gradient is None or not gradient.any(),
            f"A gradient flows into the {name}. In MoCo the keys come from a momentum encoder, "
            "which follows and does not learn: detach() keys and queue.",
        )
    right = q.detach().double().requires_grad_()
    (want,) = torch.autograd.grad(
        _loss()(right, k.detach().double(), queue.detach().double(), t), right
    )
    expect(
        torch.allclose(of_q.double(), want, atol=1e-4),
        "The loss is right and its gradient in the queries is not: a part of it is detached.",
    )
    far = (torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]]), -torch.eye(2), 0.005)
    got = call(info_nce, *far)
    expect(
        torch.isfinite(torch.as_tensor(got)).all(),
        "At a temperature of 0.005 your loss is inf or nan: exp(200) is too large for float32. "
        "F.cross_entropy and logsumexp keep within range.",
    )
    expect_dtype(info_nce, *cases[1])
    expect_any_device(info_nce, *cases[1])
