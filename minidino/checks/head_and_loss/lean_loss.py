"""Exercise 4.5, the lean form: tells apart targets that are counted or summed wrongly, another
mean, and right losses that keep log-probabilities for the backward pass.
"""

import math

import torch
from torch import Tensor

from minidino.checks.core import (
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_close,
    expect_gradient,
    expect_tensor,
)
from minidino.checks.head_and_loss.common import SAME_VIEW, cross_entropies, of_different_views


def lean_mistakes(s: Tensor, q: Tensor) -> dict[str, Tensor]:
    s, q = s.double(), q.double()
    (n_global, batch, _), views = q.shape, len(s)
    log_z, q_sum = s.logsumexp(-1), q.sum(0)
    terms = cross_entropies(q, s.log_softmax(-1))
    counted = of_different_views(terms)
    want, pairs, rows = counted.mean(), len(counted), counted.numel()
    n = torch.full((views, 1), float(n_global)).double()
    n[:n_global] -= 1
    every_dot = (s * q_sum).sum()
    dot = every_dot - (s[:n_global] * q).sum()
    return {
        SAME_VIEW.format(n=pairs + n_global, m=pairs): terms.mean(),
        "A view's own target is not taken away, neither from the sum nor from the count: these "
        f"are {pairs + n_global} terms, divided by {pairs}.": terms.sum() / rows,
        "The teacher's own view is not subtracted from the summed targets: view i < n_global is "
        "scored against q_sum - q[i].": ((n * log_z).sum() - every_dot) / rows,
        "A global view is scored against its own target, the one that it must not see: take "
        "q_sum - q[i], the others.": (
            (n * log_z).sum() - (s[n_global:] * q_sum).sum() - (s[:n_global] * q).sum()
        )
        / rows,
        "The count of targets is wrong: a global view has one target less than a local one, so "
        "its logsumexp counts n_global - 1 times.": (n_global * log_z.sum() - dot) / rows,
        "The count of targets is wrong: each logsumexp counts as often as the view has targets, "
        "n_global times for a local view. You counted it once.": (log_z.sum() - dot) / rows,
        "You averaged the targets; in the product they are summed, one for each pair.": (
            (n * log_z).sum() - dot / n_global
        )
        / rows,
        "You have the local views only; the student's global views count too, each against the "
        "teacher's other one.": terms[:, n_global:].mean(),
        f"You divided by n_global * views = {n_global * views}. The pairs that count are "
        f"n_global * (views - 1) = {pairs}.": counted.sum() / (batch * n_global * views),
        f"You divided by the number of views, {views}, in place of the number of pairs, "
        f"{pairs}.": counted.sum() / (batch * views),
        "You returned the sum; the loss is the mean over pairs and images.": counted.sum(),
        "You divided by the number of pairs and not by the batch: the loss is a mean over the "
        "images too.": counted.sum() / pairs,
        "You divided by the batch, and not by the number of pairs.": counted.sum() / batch,
        "The sign is turned round: it is logsumexp(s) - <q, s>.": -want,
        "You left the logsumexp out. Without it a student lowers the loss by raising all its "
        "scores.": -dot / rows,
        "You divided by the temperature a second time: `student` comes "
        "divided.": of_different_views(cross_entropies(q, (s / 0.1).log_softmax(-1))).mean(),
        "You took the logsumexp over the views. It belongs to a row's softmax, over prototypes: "
        "dim=-1.": of_different_views(cross_entropies(q, s.log_softmax(0))).mean(),
    }


@check("4.5", "the lean form")
def check_4_5(lean_loss):
    # By hand: p = (1/2, 1/2), (3/4, 1/4), (1/4, 3/4); both targets are prototype 0.
    log = math.log
    s = torch.tensor([[[0.0, 0.0]], [[log(3), 0.0]], [[0.0, log(3)]]])
    q = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    got = call(lean_loss, s, q)
    expect_tensor(got, (), "a scalar")
    expect_close(
        got,
        -(log(3 / 4) + log(1 / 4) + log(1 / 2) + log(1 / 4)) / 4,
        lean_mistakes(s, q),
        what="The loss of three views, worked by hand,",
    )
    k = 7
    s, q = 3 * torch.randn(10, 3, k), (2 * torch.randn(2, 3, k)).softmax(-1)
    source = s.clone().requires_grad_()
    kept: dict[int, Tensor] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.detach()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        got = call(lean_loss, source, q)
    plain = s.double().requires_grad_()
    want = of_different_views(cross_entropies(q.double(), plain.log_softmax(-1))).mean()
    expect_close(got, want.detach(), lean_mistakes(s, q), what="The loss of 18 pairs")
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (want_gradient,) = torch.autograd.grad(want, plain)
    (gradient,) = torch.autograd.grad(got, source)
    expect_close(gradient, want_gradient, what="The value is right; the gradient")
    expect(
        torch.isfinite(call(lean_loss, 1e4 * s, q)),
        "Large scores give inf or nan: exp overflows. torch.logsumexp takes the largest away "
        "first.",
    )
    kept.pop(source.untyped_storage().data_ptr(), None)
    expect(
        not any(_is_log_prob(x, k) for x in kept.values()),
        "The value is right, but log-probabilities are written out and kept for the backward "
        "pass: log_softmax, or cross_entropy, which calls it. The lean form needs none: "
        "torch.logsumexp(s, -1) is a number a row.",
    )
    expect(
        not any(x.numel() >= s.numel() for x in kept.values()),
        "The value is right, but a second tensor as large as the student's logits is kept for the "
        "backward pass. Use torch.logsumexp for the first part; and for the second one target, "
        "the sum, for all local views together, not a copy for each.",
    )
    s, q = torch.randn(5, 2, k), torch.randn(3, 2, k).softmax(-1)
    expect_close(
        call(lean_loss, s, q),
        of_different_views(cross_entropies(q.double(), s.double().log_softmax(-1))).mean(),
        what="With three global views among five (2 targets for a global view), the loss",
    )
    expect_any_device(lean_loss, s, q)


def _is_log_prob(x: Tensor, k: int) -> bool:
    """Whether every row of ``x`` is the logarithm of a distribution over k prototypes."""
    if not x.is_floating_point() or x.ndim == 0 or x.shape[-1] != k:
        return False
    return close(x.double().logsumexp(-1), torch.zeros(x.shape[:-1]), 1e-4)
