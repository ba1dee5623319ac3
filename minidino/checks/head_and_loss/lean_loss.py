"""Exercise 4.5, the lean form: tells apart targets that are counted or summed wrongly, another
mean, and right losses that keep log-probabilities for the backward pass.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare, expect_everywhere, outcome, same
from minidino.checks.core import (
    Wrong,
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_dtype,
    expect_gradient,
)
from minidino.checks.head_and_loss.common import (
    PAIR,
    all_pairs,
    cross_entropy,
    expect_loss,
    means,
    of_different_views,
)
from minidino.checks.mistakes import Table, with_piece


def _pairwise(
    reduce: Callable = lambda terms: of_different_views(terms).mean(),
    pair: Callable = cross_entropy,
    log_p: Callable = lambda s: s.log_softmax(-1),
    target: Callable = lambda q: q,
) -> Callable:
    """The loss (s, q), a pair at a time."""
    return lambda s, q: reduce(all_pairs(target(q), log_p(s), pair))


def _counts(s: Tensor, q: Tensor) -> Tensor:
    """(V, 1): how many targets a view has."""
    return torch.tensor([[len(q) - (j < len(q))] for j in range(len(s))])


def _targets(s: Tensor, q: Tensor) -> Tensor:
    """(V, B, K): the sum of each view's targets."""
    return torch.stack([q.sum(0) - (q[j] if j < len(q) else 0) for j in range(len(s))])


def _lean(
    lse: Callable = lambda s: s.logsumexp(-1),
    counts: Callable = _counts,
    targets: Callable = _targets,
    sign: float = -1.0,
) -> Callable:
    """The loss (s, q) in the lean form, of these pieces."""

    def loss(s: Tensor, q: Tensor) -> Tensor:
        total = (counts(s, q) * lse(s)).sum() + sign * (targets(s, q) * s).sum()
        return total / (s.shape[1] * len(q) * (len(s) - 1))

    return loss


def _by_view(of_global: Callable, of_local: Callable) -> Callable:
    """Targets: of_global(q, i) for global view i, of_local(q) for a local one."""

    def targets(s: Tensor, q: Tensor) -> Tensor:
        of = [of_global(q, j) if j < len(q) else of_local(q) for j in range(len(s))]
        return torch.stack(of)

    return targets


def _by_count(of_global: Callable, of_local: Callable) -> Callable:
    def counts(s: Tensor, q: Tensor) -> Tensor:
        g, n = len(q), len(s)
        return torch.tensor([[of_global(g, n) if j < g else of_local(g, n)] for j in range(n)])

    return counts


def _others(q: Tensor, i: int) -> Tensor:
    return q.sum(0) - q[i]


COUNT = "The count of targets is wrong: a global view has one target less than a local one"
LSE: Table = {
    "You left the logsumexp out. Without it a student lowers the loss by raising all its "
    "scores.": lambda s: 0 * s.sum(-1),
    "The logarithm of the logsumexp is missing: this is a sum of exponentials.": (
        lambda s: s.exp().sum(-1)
    ),
    "You took the largest score in place of the logsumexp.": lambda s: s.amax(-1),
    "You took the logarithm of the *mean* of the exponentials; the softmax has their sum.": (
        lambda s: s.logsumexp(-1) - math.log(s.shape[-1])
    ),
    "Your logsumexp is in bits (log2). The loss is in nats: the natural logarithm.": (
        lambda s: s.logsumexp(-1) / math.log(2)
    ),
    "You took the logsumexp of the views' sum. Each view has its own.": (
        lambda s: s.sum(0).logsumexp(-1).expand(len(s), -1)
    ),
    "You took the logsumexp of the views' mean. Each view has its own.": (
        lambda s: s.mean(0).logsumexp(-1).expand(len(s), -1)
    ),
    "You took one logsumexp of all the numbers. Each row has its own, over prototypes: dim=-1.": (
        lambda s: s.flatten().logsumexp(0).expand(s.shape[:2])
    ),
    "You took the mean of the scores in place of the logsumexp.": lambda s: s.mean(-1),
    "You took the sum of the scores in place of the logsumexp.": lambda s: s.sum(-1),
}
COUNTS: Table = {
    f"{COUNT}: each logsumexp counts as often as the view has targets. You counted it once.": (
        _by_count(lambda g, v: 1, lambda g, v: 1)
    ),
    f"{COUNT}, so its logsumexp counts n_global - 1 times.": _by_count(
        lambda g, v: g, lambda g, v: g
    ),
    f"{COUNT}; the logsumexp of a local view counts n_global times.": _by_count(
        lambda g, v: g - 1, lambda g, v: g - 1
    ),
    f"{COUNT}. Yours has it the other way round.": _by_count(lambda g, v: g, lambda g, v: g - 1),
    f"{COUNT}. You counted a local view's logsumexp once; it has n_global targets.": _by_count(
        lambda g, v: g - 1, lambda g, v: 1
    ),
    f"{COUNT}. You counted a global view's logsumexp not at all.": _by_count(
        lambda g, v: 0, lambda g, v: g
    ),
    f"{COUNT}. You counted a local view's logsumexp not at all.": _by_count(
        lambda g, v: g - 1, lambda g, v: 0
    ),
    "A view's logsumexp counts once for each of its *targets*, n_global or one less. You took the "
    "number of views.": _by_count(lambda g, v: v - 1, lambda g, v: v),
}
OWN = "view i < n_global is scored against q_sum - q[i]."
TARGETS: Table = {
    f"The teacher's own view is not subtracted from the summed targets: {OWN}": _by_view(
        lambda q, i: q.sum(0), lambda q: q.sum(0)
    ),
    f"A global view is scored against its own target, the one that it must not see: {OWN}": (
        _by_view(lambda q, i: q[i], lambda q: q.sum(0))
    ),
    "You averaged the targets; in the product they are summed, one for each pair.": (
        lambda s, q: _targets(s, q) / len(q)
    ),
    "You averaged each view's targets; in the product they are summed, one for each pair.": (
        lambda s, q: _targets(s, q) / _counts(s, q)[..., None].clamp(min=1)
    ),
    "You averaged the local views' targets, q.mean(0). In the product they are summed.": _by_view(
        _others, lambda q: q.mean(0)
    ),
    "You averaged the targets, q.mean(0), and took q[i] from that. They are summed: q.sum(0) - "
    "q[i].": _by_view(lambda q, i: q.mean(0) - q[i], lambda q: q.mean(0)),
    "A local view has only the first teacher view's target. It has all of them: q.sum(0).": (
        _by_view(_others, lambda q: q[0])
    ),
    "A local view has only the last teacher view's target. It has all of them: q.sum(0).": (
        _by_view(_others, lambda q: q[-1])
    ),
    "The local views have no product with their targets, <Q, s>.": _by_view(
        _others, lambda q: 0 * q[0]
    ),
    "The global views have no product with their targets, <Q, s>.": _by_view(
        lambda q, i: 0 * q[0], lambda q: q.sum(0)
    ),
    "q[i] is taken from a running sum that is never put back: after the first view more than its "
    "own target is missing. Take q_sum - q[i] anew for each.": _by_view(
        lambda q, i: q[i + 1 :].sum(0), lambda q: q.sum(0)
    ),
    "q[i] is taken from a running sum that is never put back, and nothing of it is left for the "
    "local views. Take q_sum - q[i] anew for each.": _by_view(
        lambda q, i: q[i + 1 :].sum(0), lambda q: 0 * q[0]
    ),
    "The product with the targets is missing: this is the logsumexp alone.": (
        lambda s, q: 0 * _targets(s, q)
    ),
    "The targets' sum goes over their images or prototypes. It is over the teacher's views: "
    "q.sum(0).": _by_view(
        lambda q, i: q.sum(1, keepdim=True)[0] - q[i], lambda q: q.sum(1, keepdim=True)[0]
    ),
    "The own target is taken away twice.": _by_view(
        lambda q, i: q.sum(0) - 2 * q[i], lambda q: q.sum(0)
    ),
    "The own target is added; it is to be taken away.": _by_view(
        lambda q, i: q.sum(0) + q[i], lambda q: q.sum(0)
    ),
}


def _mistakes() -> Table:
    right = _pairwise()
    return {
        "A view's own target is not taken away, neither from the sum nor from the count: these "
        "are n_global more terms than are divided by.": _pairwise(
            lambda x: x.mean() * x[..., 0].numel() / len(of_different_views(x))
        ),
        "You divided by the temperature a second time: `student` comes divided.": _pairwise(
            log_p=lambda s: (s / 0.1).log_softmax(-1)
        ),
        "You took the logsumexp over the images of the batch. It belongs to a row's softmax, "
        "over prototypes: dim=-1.": _pairwise(log_p=lambda s: s.log_softmax(1)),
        "You took the logsumexp over the views. It belongs to a row's softmax, over prototypes: "
        "dim=-1.": _pairwise(log_p=lambda s: s.log_softmax(0)),
        "You took a softmax of the student's scores before the logsumexp. One softmax too many.": (
            _pairwise(log_p=lambda s: s.softmax(-1).log_softmax(-1))
        ),
        "You took a softmax of q. The targets are distributions already.": _pairwise(
            target=lambda q: q.softmax(-1)
        ),
        "You took the logarithm of q. The target itself is multiplied.": _pairwise(
            target=lambda q: q.log()
        ),
        "The sign of the product is turned round: it is logsumexp(s) - <q, s>.": _lean(sign=1.0),
        "The sign is turned round: it is logsumexp(s) - <q, s>.": lambda s, q: -right(s, q),
        **with_piece(lambda lse: _lean(lse=lse), LSE),
        **with_piece(lambda counts: _lean(counts=counts), COUNTS),
        **with_piece(lambda targets: _lean(targets=targets), TARGETS),
        "The number of prototypes is in the divisor (a mean of everything). A product is summed "
        "over prototypes; the mean is over pairs and images.": (
            lambda s, q: right(s, q) / s.shape[-1]
        ),
        "The product with the targets is averaged over prototypes. It is summed over them.": _lean(
            targets=lambda s, q: _targets(s, q) / s.shape[-1]
        ),
        **{m: f for m, f in with_piece(_pairwise, means()).items() if "in the sum and" not in m},
        **{
            m: f
            for m, f in with_piece(lambda pair: _pairwise(pair=pair), PAIR).items()
            if not m.startswith(("You averaged over the K", "The sign is"))
        },
    }


def lean_mistakes(s: Tensor, q: Tensor) -> dict[str, Tensor]:
    """What each mistake gives for one s and q."""
    found = {message: outcome(wrong, (s, q)) for message, wrong in _mistakes().items()}
    return {message: value for message, value in found.items() if isinstance(value, Tensor)}


def _case(views: int, batch: int, k: int, n_global: int = 2) -> tuple[Tensor, Tensor]:
    return 2 * torch.randn(views, batch, k), (2 * torch.randn(n_global, batch, k)).softmax(-1)


@check("4.5", "the lean form")
def check_4_5(lean_loss):
    # By hand: p = (1/2, 1/2), (3/4, 1/4), (1/4, 3/4); both targets are prototype 0.
    log = math.log
    s = torch.tensor([[[0.0, 0.0]], [[log(3), 0.0]], [[0.0, log(3)]]])
    by_hand = (s, torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]]))
    right = _pairwise()
    worked = -(log(3 / 4) + log(1 / 4) + log(1 / 2) + log(1 / 4)) / 4
    assert close(right(*by_hand), torch.tensor(worked))

    cases = [_case(10, 4, 7), _case(5, 3, 9, 3), _case(7, 6, 5)]
    written = "is written into your function. The views follow from the shapes."
    expect_everywhere(
        lean_loss,
        [*cases, _case(10, 3, 5, 3), _case(2, 4, 6), _case(4, 3, 6, 1), _case(3, 2, 5, 3)],
        right,
        {
            "Your loss is right for two global views, and otherwise not: with G of them a global "
            "view has G - 1 targets, their sum less its own.": lambda s, q: len(q) == 2,
            f"Your loss is right for ten views and wrong for other numbers of them: 8, 10 or 18 "
            f"{written}": lambda s, q: len(s) == 10,
            f"Your loss is right for two global and eight local views, and otherwise not: a number "
            f"{written}": lambda s, q: (len(s), len(q)) == (10, 2),
            "Without local views your loss is wrong, and right with them. A mean of nothing is "
            "nan: add up, and divide once, at the end.": lambda s, q: len(s) > len(q),
            "With one global view, which is nobody's target but the others', your loss is wrong. A "
            "mean of nothing is nan: add up, and divide once, at the end.": (
                lambda s, q: len(q) > 1
            ),
        },
    )

    def turned(s: Tensor, q: Tensor) -> Tensor:
        return lean_loss(s.transpose(0, 1).contiguous(), q.transpose(0, 1).contiguous())

    expect(
        not all(same(outcome(turned, case), right(*case)) for case in cases),
        "You took the dimensions for (B, V, K). They are (V, B, K): views first, then images.",
    )
    compare(lean_loss, cases, right, _mistakes(), "a scalar", "The loss")
    compare(lean_loss, [by_hand, _case(3, 2, 5, 3)], right, what="The loss of few views")

    expect_loss(call(lean_loss, *cases[0]))
    for s, q in cases[:2]:
        source, wide = s.clone().requires_grad_(), s.double().requires_grad_()
        got = call(lean_loss, source, q)
        expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
        (gradient,) = torch.autograd.grad(got, source)
        (true,) = torch.autograd.grad(right(wide, q.double()), wide)
        _judge_gradient(gradient, true, s.double(), q.double())
    expect(
        torch.isfinite(call(lean_loss, 1e4 * s, q)),
        "Large scores give inf or nan: exp overflows. torch.logsumexp takes the largest away "
        "first.",
    )
    expect_dtype(lean_loss, *cases[0])
    expect(got.dtype == s.dtype, f"Given float32, the loss is {got.dtype}. Leave it as it comes.")
    _judge_memory(lean_loss)
    expect_any_device(lean_loss, *cases[0])


def _judge_gradient(got: Tensor, true: Tensor, s: Tensor, q: Tensor) -> None:
    rows = s.shape[1] * len(q) * (len(s) - 1)
    of_product = -_targets(s, q) / rows
    scale = true.abs().max().item()
    if close(got / scale, true / scale, 1e-3):
        return
    known = {"the logsumexp": of_product, "the product with the targets": true - of_product}
    for part, value in known.items():
        expect(
            not close(got / scale, value / scale, 1e-3),
            f"The value is right, but no gradient flows through {part}: it is detached, or "
            "computed under torch.no_grad().",
        )
    raise Wrong("The value is right, and the gradient is not: a part of it is detached.")


def _judge_memory(lean_loss: Callable) -> None:
    """Of many views, what is kept for the backward pass beside the arguments."""
    k = 11
    s, q = _case(24, 2, k)
    s.requires_grad_()
    kept: dict[int, Tensor] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.detach()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        call(lean_loss, s, q)
    for given in (s, q):
        kept.pop(given.untyped_storage().data_ptr(), None)
    expect(
        not any(_is_log_prob(x, k) for x in kept.values()),
        "The value is right, but log-probabilities are written out and kept for the backward "
        "pass: log_softmax, or cross_entropy, which calls it. The lean form needs none: "
        "torch.logsumexp(s, -1) is a number a row.",
    )
    expect(
        not any(_is_exponential(x, s.detach()) for x in kept.values()),
        "The value is right, but exponentials of all scores are kept for the backward pass: exp "
        "and softmax keep their results. torch.logsumexp keeps one number for each row.",
    )
    size = sum(x.untyped_storage().nbytes() for x in kept.values()) / s.untyped_storage().nbytes()
    expect(
        size < 0.5,
        f"The value is right, but {size:.1f} times the size of the student's logits is kept for "
        "the backward pass, beside them. A product keeps what the scores are multiplied with: "
        "multiply all local views with one target, the sum, which broadcasts, and not with a copy "
        "for each (repeat, cat, stack).",
    )


def _is_exponential(x: Tensor, s: Tensor) -> bool:
    """Whether ``x`` is exp(s), each row of it times a number."""
    if x.shape != s.shape or not x.is_floating_point() or not (x > 0).all():
        return False
    apart = x.double().log() - s.double()
    return close(apart, apart[..., :1].expand_as(apart), 1e-3)


def _is_log_prob(x: Tensor, k: int) -> bool:
    """Whether every row of ``x`` is the logarithm of a distribution over k prototypes."""
    if not x.is_floating_point() or x.ndim == 0 or x.shape[-1] != k:
        return False
    return close(x.double().logsumexp(-1), torch.zeros(x.shape[:-1]), 1e-4)
