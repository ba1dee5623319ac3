"""Exercise 4.4, the loss over the pairs: tells apart wrong pairs, means, temperatures, centers and
softmaxes, gradients into the teacher, and logarithms of 0.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.core import (
    Wrong,
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_gradient,
    expect_tensor,
)
from minidino.checks.head_and_loss.common import (
    EPS,
    SAME_VIEW,
    cross_entropies,
    loss_by_formula,
    of_different_views,
    value_mistakes,
)


def _plain_mistakes(
    s: Tensor, t: Tensor, c: Tensor, teacher_temp: float, student_temp: float
) -> dict[str, Tensor]:
    """Mistakes in which pairs are taken and how they are averaged, then in what is compared."""
    n_global, k = 2, s.shape[-1]
    batch = len(t) // n_global
    views = len(s) // batch
    q = ((t.double() - c.double()) / teacher_temp).softmax(-1).view(n_global, batch, k)
    log_p = (s.double() / student_temp).log_softmax(-1).view(views, batch, k)
    terms = cross_entropies(q, log_p)
    counted = of_different_views(terms)
    n, want, a_pair = len(counted), counted.mean(), counted.mean(1)
    hard = F.one_hot(q.argmax(-1), k).double()
    squares = of_different_views((q[:, None] - log_p.exp()).square().sum(-1)).mean()
    mse = (
        "You took squared differences of the probabilities (MSE). DINO's loss is the "
        "cross-entropy; in the paper MSE costs 20 points of k-NN."
    )
    return {
        SAME_VIEW.format(n=n + n_global, m=n): terms.mean(),
        "You took the pairs of a view with *itself*; they are the ones to skip.": terms[
            [0, 1], [0, 1]
        ].mean(),
        f"You have the local student views only: {n_global * (views - n_global)} terms where "
        f"there should be {n}. The student's global views count too, against the teacher's other "
        "one.": terms[:, n_global:].mean(),
        f"You have the global views only: 2 terms where there should be {n}. The student's local "
        "views are compared with both teacher views.": terms[[0, 1], [1, 0]].mean(),
        "You added the pairs; the loss is their mean, or it grows with the number of views. "
        f"Divide by the number of pairs, {n}.": a_pair.sum(),
        "You added everything up; the loss is the mean over pairs and images. A sum grows with "
        "views and batch, and the learning rate would have to follow.": counted.sum(),
        "You averaged the pairs and added the images; the loss is the mean over both.": (
            counted.sum() / n
        ),
        f"You divided by the number of views, {views}. There are {n} pairs: divide by those.": (
            a_pair.sum() / views
        ),
        "You divided by the number of teacher views, 2. There are "
        f"{n} pairs: divide by those.": a_pair.sum() / n_global,
        f"You divided by {n + n_global}. You skip the pairs of a view with itself and still count "
        f"them: there are {n}.": a_pair.sum() / (n + n_global),
        "You averaged over the K prototypes. A cross-entropy is a sum over them; the mean is over "
        "pairs and images.": want / k,
        "The sign is turned round: log p is negative, and a cross-entropy is positive.": -want,
        "You returned KL(q || p). The loss is the cross-entropy, H(q) + KL(q || p).": want
        - of_different_views(torch.special.entr(q).sum(-1)[:, None].expand_as(terms)).mean(),
        "You read the rows image-major, all views of image 0 first. They are crop-major: "
        ".view(n_views, batch, K), not .view(batch, n_views, K).": loss_by_formula(
            s, t, c, teacher_temp, student_temp, layout="image-major"
        ),
        "You took the teacher's argmax for its target, and what the teacher knows about the "
        "runners-up is lost. The target is the whole distribution.": of_different_views(
            cross_entropies(hard, log_p)
        ).mean(),
        mse: squares,
        f"{mse} (The mean over prototypes.)": squares / k,
        **value_mistakes(s, t, c, teacher_temp, student_temp),
    }


@check("4.4", "the loss over the pairs")
def check_4_4(plain_loss):
    # By hand: temperatures 1/2 and 1/4 make q = (3/4, 1/4), (1/2, 1/2) and
    # p = (1/10, 9/10), (4/5, 1/5), (1/2, 1/2). Of the six pairs q0 p0 and q1 p1 do not count.
    log = math.log
    t = torch.tensor([[0.5 * log(3), 0.0], [0.0, 0.0]])
    s = torch.tensor([[0.0, 0.25 * log(9)], [0.25 * log(4), 0.0], [0.0, 0.0]])
    h01 = -(0.75 * log(0.8) + 0.25 * log(0.2))
    h10 = -(0.5 * log(0.1) + 0.5 * log(0.9))
    no_center = torch.zeros(1, 2)
    got = call(plain_loss, s, t, no_center, 0.5, 0.25)
    expect_tensor(got, (), "a scalar")
    expect(
        not got.isnan(),
        "For three views of one image you return nan, the mean of nothing. Is a number of views "
        "or images written into your function? Both follow from the shapes and n_global.",
    )
    expect_close(
        got,
        (h01 + log(2) + h10 + log(2)) / 4,
        _plain_mistakes(s, t, no_center, 0.5, 0.25),
        what="The loss of three views, worked by hand,",
    )
    batch, k = 3, 6
    s, t = torch.randn(10 * batch, k), torch.randn(2 * batch, k)
    c, tt, ts = torch.randn(1, k), 0.4, 0.15
    want, mistakes = loss_by_formula(s, t, c, tt, ts), _plain_mistakes(s, t, c, tt, ts)
    source, target = s.clone().requires_grad_(), t.clone().requires_grad_()
    got = call(plain_loss, source, target, c, tt, ts)
    expect_close(got, want, mistakes, what="The loss of 18 pairs")
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (leak,) = torch.autograd.grad(got, target, allow_unused=True, retain_graph=True)
    expect(
        leak is None or not leak.any(),
        "Gradients flow into the teacher. Its target is a given: wrap it in torch.no_grad(), or "
        ".detach() it. Otherwise the teacher is trained to be easy to predict.",
    )
    one, three = torch.randn(8, k), torch.randn(15, k)
    written_in = (
        "You took n_global for 2. It is an argument: n_global teacher views of B rows each."
    )
    try:
        single = call(plain_loss, one, one[2:4], c, tt, ts, 1)
    except RuntimeError as error:
        raise Wrong(
            "With two global views your loss is right; with one among four your function raises "
            f'"{error}". Is a 2 written in where n_global belongs?'
        ) from None
    expect_close(
        single,
        loss_by_formula(one, one[2:4], c, tt, ts, 1),
        {written_in: loss_by_formula(one, one[2:4], c, tt, ts, 2)},
        what="With one global view among four, the loss",
    )
    expect_close(
        call(plain_loss, three, three[3:12], c, tt, ts, 3),
        loss_by_formula(three, three[3:12], c, tt, ts, 3),
        what="With three global views among five, the loss",
    )
    far = call(plain_loss, 30 * one, one[:4], c, tt, 0.1)
    expect(
        torch.isfinite(far),
        "Where the student gives a prototype almost nothing, your loss is inf or nan: "
        "log(softmax(x)) takes the log of 0. Use log_softmax, which never leaves the logarithm.",
    )
    near = call(plain_loss, 10 * one, one[:4], c, tt, 0.1)
    expect(far > 2 * near, EPS)  # three times as wrong, all but three times the loss
    expect_close(
        far, loss_by_formula(30 * one, one[:4], c, tt, 0.1), what="With large scores the loss"
    )
    expect_any_device(plain_loss, s, t, c, tt, ts)
