"""Checks of notebook 01: temperature, centering, cross-entropy, H and KL, the center."""

from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor

from minidino.checks.compare import compare, unsteady, unused
from minidino.checks.core import (
    call,
    check,
    expect,
    expect_any_device,
    expect_dtype,
    expect_gradient,
    expect_tensor,
)
from minidino.checks.mistakes import (
    AVERAGE,
    CAPPED,
    CROSS_ENTROPY,
    ENTROPY,
    KL,
    LOG_SOFTMAX,
    OVERFLOW,
    SOFTMAX,
    SOFTMAX_3D,
    UNUSED,
    both,
    softmax,
    with_piece,
)

LN3 = 1.0986123
# Rows of very different size: each needs its own largest score taken away.
FAR = torch.tensor([[40.0, 39.9, 0.0], [-60.0, -60.1, -80.0]])


@check("1.1", "softmax with a temperature")
def check_1_1(sharpen):
    # By hand: e^(ln 3 / 1) = 3, so 3 : 1; at half the temperature 9 : 1.
    by_hand = torch.tensor([[LN3, 0.0]])
    cases = [(torch.randn(shape), t) for shape, t in (((3, 5), 0.3), ((4, 4), 2.5))]
    cases += [(torch.randn(shape), t) for shape, t in (((3, 2, 5), 0.3), ((4, 3, 4), 0.7))]
    compare(
        sharpen,
        [(by_hand, 0.5), *cases],
        softmax,
        SOFTMAX | SOFTMAX_3D,
        "(rows, K)",
        clues={
            "The same scores give another result the second time (gumbel_softmax draws random "
            "numbers). A softmax leaves nothing to chance.": unsteady(sharpen, cases[0]),
            UNUSED: unused(sharpen, cases[0], 1),
        },
    )
    expect(torch.isfinite(call(sharpen, FAR, 0.04)).all(), OVERFLOW)
    far = torch.tensor([[0.0, -300.0, -600.0]])
    compare(
        sharpen,
        [(far, 100.0), (FAR, 0.04)],
        softmax,
        {
            "An exponential overflowed, and its nan was made a 0 (nan_to_num): such a row loses "
            "all it had. Take the row's largest away instead; it cancels.": lambda x, t: (
                (x.float() / t).exp() / (x.float() / t).exp().sum(-1, keepdim=True)
            ).nan_to_num(),
            "You took the softmax first and raised it to the power 1 / temperature. What the first "
            "softmax rounded to 0 stays 0. Divide the scores.": lambda x, t: (
                (softmax(x.float(), 1.0) ** (1 / t))
                / (softmax(x.float(), 1.0) ** (1 / t)).sum(-1, keepdim=True)
            ),
            "You clamp the scores against overflow, and large scores become equal. Take the row's "
            "largest away instead; it cancels.": lambda x, t: softmax((x / t).clamp(-80, 80), 1.0),
        },
        what="Where scores lie far apart, the result",
    )
    expect_dtype(sharpen, torch.randn(2, 3), 0.5, both=True)
    expect_any_device(sharpen, torch.randn(3, 5), 0.1)


def _target(soft=softmax, center=lambda logits, c: logits - c):
    return lambda logits, c, t: soft(center(logits, c), t)


def _difference_of_softmaxes(logits: Tensor, center: Tensor, temperature: float) -> Tensor:
    left = (softmax(logits, temperature) - softmax(center, temperature)).clamp(min=0)
    return left / left.sum(-1, keepdim=True)


@check("1.2", "the teacher's target")
def check_1_2(teacher_target):
    cases = [(torch.randn(4, 6), torch.randn(1, 6), 0.2), (torch.randn(3, 5), torch.randn(1, 5), 2)]
    centers = {
        "You added the center. Centering takes the mean away, so that no prototype is favoured "
        "for all images alike: logits - center.": lambda x, c: x + c,
        "You centred on this batch's own mean. The center is an argument: the running mean of "
        "many batches.": lambda x, c: x - x.mean(0),
        "You divided by the center. It is taken away.": lambda x, c: x / c,
        "You multiplied by the center. It is taken away.": lambda x, c: x * c,
        "You brought the logits to length 1 before you centred them. Raw scores are asked for.": (
            lambda x, c: x / x.norm(dim=-1, keepdim=True) - c
        ),
        "You divided by the standard deviation of each prototype's scores. Centering takes the "
        "mean away and leaves the spread.": lambda x, c: (x - c) / x.std(0, keepdim=True),
    }
    mistakes = {
        "You took the center from the probabilities. It is a mean of raw scores: subtract it "
        "before the softmax.": lambda x, c, t: softmax(x, t) - c,
        "You took the softmax of the center from that of the logits. The center is a mean of raw "
        "scores: subtract first, then one softmax.": lambda x, c, t: softmax(x, t) - softmax(c, t),
        "You divided the logits by the temperature but not the center. Subtract first, then "
        "divide the difference: (logits - center) / temperature.": (
            lambda x, c, t: softmax(x / t - c, 1)
        ),
        "You divided the center by the temperature but not the logits: x - c / t. Brackets: "
        "(logits - center) / temperature.": lambda x, c, t: softmax(x - c / t, 1),
        "You left the center out, or took its mean alone away, which a softmax does not see. This "
        "is sharpening alone: it collapses to one prototype for every image.": (
            lambda x, c, t: softmax(x, t)
        ),
        "You took the softmax of the center from that of the logits and brought the rest to sum to "
        "1. The center is a mean of raw scores: subtract first, then one softmax.": (
            _difference_of_softmaxes
        ),
    }
    mistakes |= with_piece(_target, SOFTMAX) | with_piece(lambda c: _target(center=c), centers)
    compare(
        teacher_target,
        cases,
        _target(),
        mistakes,
        names="(rows, K)",
        at_once=both(_target, soft=SOFTMAX, center=centers),
        clues={UNUSED: unused(teacher_target, cases[0], 2)},
    )
    expect(torch.isfinite(call(teacher_target, FAR, torch.zeros(1, 3), 0.04)).all(), OVERFLOW)
    logits, center, temp = cases[0]
    one = call(teacher_target, logits[:1], center, temp)
    expect_tensor(one, (1, 6), "(rows, K)", what="Of a single row the result")
    source = logits.clone().requires_grad_()
    got = call(teacher_target, source, center, temp)
    expect(
        not got.requires_grad,
        "Gradients flow into the teacher. A target is a given: wrap it in torch.no_grad(), or "
        ".detach() it. Otherwise the teacher is trained to be easy to predict.",
    )
    expect(
        not got.is_inference(),
        "What torch.inference_mode() makes can never be part of a loss that is learned from. Use "
        "torch.no_grad(), or .detach().",
    )
    expect_dtype(teacher_target, logits, center, temp, both=True)
    expect_any_device(teacher_target, logits, center, temp)


def _loss(log_soft=lambda x, t: torch.log_softmax(x / t, -1), pair=lambda q, lp: -(q * lp).sum(-1)):
    return lambda q, x, t: pair(q, log_soft(x, t))


def _reduced() -> Iterator[tuple[str, Callable]]:
    """Mistakes that also return one number for the batch."""
    one_number = {
        "One number is returned, a mean. Each row has its own.": lambda pair: (
            lambda q, lp: pair(q, lp).mean()
        ),
        "One number is returned, a sum. Each row has its own.": lambda pair: (
            lambda q, lp: pair(q, lp).sum()
        ),
    }
    return both(lambda one, pair: _loss(pair=one(pair)), one=one_number, pair=CROSS_ENTROPY)


@check("1.3", "cross-entropy of two distributions")
def check_1_3(cross_entropy):
    cases = [
        (torch.tensor([[0.5, 0.4, 0.1], [0.15, 0.25, 0.6]]), 0.3 * torch.randn(2, 3), 0.1),
        (torch.randn(4, 5).softmax(-1), 3 * torch.randn(4, 5), 0.7),
        (torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[1.0, 0.0, -1.0]]), 0.5),
        (torch.tensor([[0.3, 0.3, 0.4]]), torch.tensor([[0.3, 0.2, -2.5]]), 0.1),
    ]
    mistakes = {
        "A batch of one row has lost its dimension, and the loss is one number: squeeze() drops "
        "every dimension of size 1. A single row has its own, too.": (
            lambda q, x, t: _loss()(q, x, t).squeeze()
        )
    }
    mistakes |= with_piece(lambda pair: _loss(pair=pair), CROSS_ENTROPY)
    mistakes |= with_piece(_loss, LOG_SOFTMAX)
    mistakes |= {
        "Every target met every student (q @ log_p.T), and the square is summed. Row i of the one "
        "belongs to row i of the other: multiply and sum.": (
            lambda q, x, t: -(q @ torch.log_softmax(x / t, -1).T).sum(-1)
        ),
        "You multiplied the loss by the temperature. It divides the logits, and that is all.": (
            lambda q, x, t: _loss()(q, x, t) * t
        ),
        "This is the logsumexp alone. The scores, weighted by the target, are taken from it.": (
            lambda q, x, t: torch.logsumexp(x / t, -1)
        ),
        "You swapped the two, and put an eps into the logarithm of the target: H(q, p) = -sum q "
        "log "
        "p, the logarithm is the student's.": lambda q, x, t: (
            -(softmax(x, t) * (q + 1e-8).log()).sum(-1)
        ),
        "You divided the target by the temperature too. q comes sharpened: it is used as it is.": (
            lambda q, x, t: _loss()(q / t, x, t)
        ),
        "You took a softmax of q. It is a distribution already.": (
            lambda q, x, t: _loss()(q.softmax(-1), x, t)
        ),
        "You took a softmax of q, with the temperature. It is a distribution already.": (
            lambda q, x, t: _loss()(softmax(q, t), x, t)
        ),
    }
    # Further and further off, on the target's prototype: the loss must keep rising.
    one_hot, off = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 15.0]])

    def capped(*_) -> str | None:
        near, far = (call(cross_entropy, one_hot, x, 0.1).sum().item() for x in (off, 2 * off))
        return CAPPED if 5 < near >= far - 0.1 else None

    compare(
        cross_entropy,
        cases,
        _loss(),
        mistakes,
        names="(rows,)",
        otherwise=capped,
        clues={UNUSED: unused(cross_entropy, cases[0], 2)},
        at_once=chain(both(_loss, log_soft=LOG_SOFTMAX, pair=CROSS_ENTROPY), _reduced()),
    )
    q, student, temp = cases[1]
    source = student.clone().requires_grad_()
    got = call(cross_entropy, q, source, temp)
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    expect(
        torch.isfinite(call(cross_entropy, one_hot, 10 * off, 0.1)).all(),  # e^-1500, also float64
        "Where the student gives a prototype almost nothing, your loss is inf or nan: "
        "log(softmax(x)) takes the log of 0, and log(sum(exp(x))) overflows. Use log_softmax, "
        "which never leaves the logarithm.",
    )
    expect(not capped(), CAPPED)
    far_off = [(one_hot, 2 * off, 0.1), (one_hot, torch.tensor([[0.0, 7.0]]), 0.2)]
    compare(cross_entropy, far_off, _loss(), what="Where the student is far off, the loss")
    expect_dtype(cross_entropy, q, student, temp, both=True)
    expect_any_device(cross_entropy, q, student, temp)


def _entropy(q: Tensor) -> Tensor:
    return torch.special.entr(q).sum(-1)


def _kl(q: Tensor, p: Tensor) -> Tensor:
    return (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(-1)


@check("1.4", "entropy, and what is left: KL")
def check_1_4(entropy_and_kl):
    def both(q, p):
        got = call(entropy_and_kl, q, p)
        expect(
            isinstance(got, tuple | list) and len(got) == 2,
            "Return two tensors: the entropy of q, and KL(q || p).",
        )
        return got

    by_hand = (torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]]))
    both(*by_hand)
    rows = [(torch.randn(3, k).softmax(-1), torch.randn(3, k).softmax(-1)) for k in (5, 7)]
    shaped = (torch.randn(3, 4, 6).softmax(-1), torch.randn(3, 4, 6).softmax(-1))
    cases = [*rows, by_hand, shaped]
    swapped = {
        "The two are returned the other way round: the entropy comes first, then KL.": (
            lambda q, p: (_kl(q, p), _entropy(q))
        ),
        "The first is the entropy of p, the student's. It is the target's own: H(q).": (
            lambda q, p: (_entropy(p), _kl(q, p))
        ),
        "You returned the cross-entropy in place of the entropy of q.": (
            lambda q, p: (-torch.special.xlogy(q, p).sum(-1), _kl(q, p))
        ),
        "Entropy and KL are both in bits: log2. DINO counts in nats, the natural logarithm.": (
            lambda q, p: (_entropy(q) / 0.693147181, _kl(q, p) / 0.693147181)
        ),
        "You averaged both over the prototypes; entropy and KL are sums.": (
            lambda q, p: (_entropy(q) / q.shape[-1], _kl(q, p) / q.shape[-1])
        ),
        "Both are summed over the rows (dim 0) where prototypes are the last dimension, dim=-1.": (
            lambda q, p: (torch.special.entr(q).sum(0), (q * (q / p).log()).sum(0))
        ),
        "Both are summed over everything. Each row has its own: dim=-1.": (
            lambda q, p: (_entropy(q).sum(), _kl(q, p).sum())
        ),
        "Both are averaged over the rows: one number each. Each row has its own.": (
            lambda q, p: (_entropy(q).mean(), _kl(q, p).mean())
        ),
        "Both have dim=1 written in, which is not the last of three dimensions: dim=-1.": (
            lambda q, p: (torch.special.entr(q).sum(1), (q * (q / p).log()).sum(1))
        ),
    }
    mistakes = (
        swapped
        | with_piece(lambda piece: lambda q, p: (piece(q), _kl(q, p)), ENTROPY)
        | with_piece(lambda piece: lambda q, p: (_entropy(q), piece(q, p)), KL)
    )
    compare(
        entropy_and_kl, cases, lambda q, p: (_entropy(q), _kl(q, p)), mistakes, names="(..., rows)"
    )
    h, kl = both(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    expect(
        torch.isfinite(h).all() and torch.isfinite(kl).all(),
        "A target of (1, 0) gives nan: 0 * log 0 is nan to a computer, and 0 by its limit. "
        "torch.special.entr and torch.special.xlogy know.",
    )
    # Zeros beside other numbers, in both orders, and a student that gives next to nothing.
    zeros = [
        (torch.tensor([[0.0, 0.5, 0.5], [0.7, 0.3, 0.0]]), torch.tensor([[0.2, 0.3, 0.5]] * 2)),
        (torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.6, 0.3, 0.1]])),
        (torch.tensor([[0.3, 0.7]]), torch.tensor([[1e-20, 1.0]])),
        (torch.tensor([[0.5, 0.5]]), torch.tensor([[1e-12, 1.0]])),
    ]

    EPS = torch.finfo(torch.float32).eps

    def held(eps: float):
        return lambda q, p: (_entropy(q), _kl(q, p.clamp(min=eps)))

    compare(
        entropy_and_kl,
        zeros,
        lambda q, p: (_entropy(q), _kl(q, p)),
        {
            "You put 0 in the place of nan after the sum, and a row with a zero in it loses all "
            "its other terms. Each *term* 0 log 0 is 0.": lambda q, p: (
                (-(q * q.log()).sum(-1)).nan_to_num(),
                (q * (q / p).log()).sum(-1).nan_to_num(),
            ),
            **{
                f"q is held up by a clamp at {e:g}, or by an eps: it no longer sums to 1. A zero "
                f"of the "
                "target is a zero.": lambda q, p, e=e: (
                    _entropy(q.clamp(min=e)),
                    _kl(q.clamp(min=e), p),
                )
                for e in (1e-3, 1e-5)
            },
            **{
                f"log(p + eps), or p clamped, puts a ceiling on KL where the student gives next to "
                f"nothing (eps = {e:g}{', as torch.distributions holds p' if e == EPS else ''}). p "
                f"is positive: take its logarithm as it is.": held(e)
                for e in (1e-10, 1e-8, 1e-7, EPS, 1e-6, 1e-5, 1e-4, 1e-3)
            },
        },
        what="Where a probability is 0 or next to nothing, the result",
    )
    expect_dtype(entropy_and_kl, *rows[0], both=True)
    expect_any_device(entropy_and_kl, *rows[0])


def _center(average, mean=lambda x: x.mean(0, keepdim=True)):
    return lambda c, x, m: average(c, mean(x), m)


def _row_by_row(center: Tensor, logits: Tensor, momentum: float) -> Tensor:
    for row in logits:
        center = momentum * center + (1 - momentum) * row
    return center


@check("1.5", "the center's moving average")
def check_1_5(update_center):
    cases = [
        (torch.randn(1, 5), torch.randn(8, 5) + 2, 0.8),
        (torch.randn(1, 3), torch.randn(4, 3) - 1, 0.3),
    ]

    def right(old, new, m):
        return m * old + (1 - m) * new

    means = {
        "You averaged the probabilities. The center is a mean of *raw* logits, without "
        "temperature or softmax (equation 4).": lambda x: x.softmax(-1).mean(0, keepdim=True),
        "You added the sum over the rows; it should be their mean, or the center grows with "
        "the batch.": lambda x: x.sum(0, keepdim=True),
        "You averaged over the prototypes. The center has one entry per prototype: average "
        "over the rows, dim 0.": lambda x: x.mean(-1, keepdim=True),
        "You averaged over rows and prototypes at once. The center has one entry per "
        "prototype: average over the rows, dim 0.": lambda x: x.mean(),
        "You averaged nothing: one center for each row. Average over the rows first, dim 0.": (
            lambda x: x
        ),
        "You took only the first row. The mean over all rows is asked for.": lambda x: x[:1],
        "You took only the last row. The mean over all rows is asked for.": lambda x: x[-1:],
        "You took the median of the rows; equation 4 has their mean.": (
            lambda x: x.median(0, keepdim=True).values
        ),
        "You divided the rows' sum by the number of prototypes. Divide by the number of rows.": (
            lambda x: x.sum(0, keepdim=True) / x.shape[1]
        ),
        "You took the largest of the rows; equation 4 has their mean.": (
            lambda x: x.amax(0, keepdim=True)
        ),
        "You brought the mean to length 1. It is taken as it is.": (
            lambda x: x.mean(0, keepdim=True) / x.mean(0, keepdim=True).norm()
        ),
        "You brought each row to length 1 first. The center is a mean of raw logits.": (
            lambda x: (x / x.norm(dim=-1, keepdim=True)).mean(0, keepdim=True)
        ),
        "You divided by the standard deviation. The center is a mean, in the units of the "
        "logits.": (lambda x: x.mean(0, keepdim=True) / x.std(0, keepdim=True)),
        "You divided the rows' sum by rows - 1, as a variance does. A mean divides by rows.": (
            lambda x: x.sum(0, keepdim=True) / (len(x) - 1)
        ),
        **{
            f"You divided the logits by a temperature ({t}) first. The center is a mean of *raw* "
            "logits (equation 4).": lambda x, t=t: (x / t).mean(0, keepdim=True)
            for t in (0.04, 0.05, 0.07, 0.1)
        },
    }
    mistakes = with_piece(lambda mean: _center(right, mean), means) | with_piece(_center, AVERAGE)
    mistakes |= {
        "You averaged logits from which the center is taken away. It is a mean of *raw* logits.": (
            lambda c, x, m: right(c, (x - c).mean(0, keepdim=True), m)
        ),
        "You divided by 1 - momentum, as Adam corrects the bias of its first steps. The center has "
        "no such correction.": lambda c, x, m: _center(right)(c, x, m) / (1 - m),
        "You moved the center once for each row, so a larger batch moves it further. It moves once "
        "a batch, to the batch's mean.": lambda c, x, m: (
            m ** len(x) * c + (1 - m ** len(x)) * x.mean(0, keepdim=True)
        ),
        "You went through the rows one by one, each an update of its own. It moves once a batch, "
        "to "
        "the batch's mean.": _row_by_row,
        "You averaged the old center with the rows, as if it were one more. It keeps the share "
        "momentum.": lambda c, x, m: torch.cat([c, x]).mean(0, keepdim=True),
        "Brackets: m * c + 1 - m * mean. The mean gets the share (1 - m).": (
            lambda c, x, m: m * c + 1 - m * x.mean(0, keepdim=True)
        ),
    }
    compare(
        update_center,
        cases,
        _center(right),
        mistakes,
        names="(1, K)",
        at_once=both(_center, average=AVERAGE, mean=means),
    )
    center, logits, momentum = cases[0]
    kept = center.clone()
    got = call(update_center, center, logits.clone().requires_grad_(), momentum)
    expect(
        not got.requires_grad,
        "The center carries gradients from step to step. It is a statistic, not a parameter: "
        "compute it under torch.no_grad() or from logits.detach().",
    )
    expect(
        torch.equal(center, kept) and got.data_ptr() != center.data_ptr(),
        "A new tensor is asked for; yours is the center itself, changed in place.",
    )
    expect_dtype(update_center, center, logits, momentum, both=True)
    expect_any_device(update_center, center, logits, momentum)
