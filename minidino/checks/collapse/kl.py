"""Exercise 6.2, KL from logits: tells apart wrong scores, wrong terms, and logarithms that have a
ceiling.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import call, check, expect, expect_any_device, expect_dtype
from minidino.checks.mistakes import KL, LOG_SOFTMAX, SOFTMAX, both, with_piece


def _h(q: Tensor) -> Tensor:
    return torch.special.entr(q).sum(-1)


def _log_softmax(x: Tensor, t: float) -> Tensor:
    return torch.log_softmax(x / t, -1)


def _of_logs(log_q: Tensor, log_p: Tensor) -> Tensor:
    return (log_q.exp() * (log_q - log_p)).sum(-1)


def _kl(target=lambda t, c, tau: _log_softmax(t - c, tau), student=_log_softmax, pair=_of_logs):
    return lambda t, s, c, tau_t, tau_s: pair(target(t, c, tau_t), student(s, tau_s))


def _right_teacher(t, s, c, a, b):
    return (t - c) / a


def _right_student(t, s, c, a, b):
    return s / b


def _built(scores=(_right_teacher, _right_student), pair=_of_logs) -> Callable:
    """KL of two softmaxes of scores that each follow from all arguments."""
    return lambda *case: pair(*(score(*case).log_softmax(-1) for score in scores))


DIM_0 = "You took the softmax over the rows (dim 0). The distribution is over prototypes: dim=-1."
KL_DIV = (
    "F.kl_div(input, target): input is the student's *logarithm*, log p, and target the teacher's "
    "q (or log q, with log_target=True)."
)
SCORES = {
    message: (teacher, student)
    for message, teacher, student in (
        ("You forgot the center, or took its mean alone away, which a softmax does not see. The "
         "target is what the loss uses: softmax((logits - center) / temperature).",
         lambda t, s, c, a, b: t / a, _right_student),
        ("You added the center. It is taken away: logits - center.",
         lambda t, s, c, a, b: (t + c) / a, _right_student),
        ("You took the center from the student too. Only the teacher is centred.",
         _right_teacher, lambda t, s, c, a, b: (s - c) / b),
        ("You took the center from the student. It is the teacher that is centred.",
         lambda t, s, c, a, b: t / a, lambda t, s, c, a, b: (s - c) / b),
        ("You divided the teacher's logits by the temperature but not the center. Subtract first, "
         "then divide the difference.", lambda t, s, c, a, b: t / a - c, _right_student),
        ("You divided the center by the temperature but not the logits: t - c / tau. Brackets: "
         "(logits - center) / temperature.", lambda t, s, c, a, b: t - c / a, _right_student),
        ("You centred on this batch's own mean. The center is an argument: the running mean of "
         "many batches.", lambda t, s, c, a, b: (t - t.mean(0)) / a, _right_student),
        ("You multiplied by the center, or divided by it. It is taken away: logits - center.",
         lambda t, s, c, a, b: t * c / a, _right_student),
        ("The sign is turned round: center - logits gives the most to the smallest score.",
         lambda t, s, c, a, b: (c - t) / a, _right_student),
        ("You forgot the teacher's temperature. Divide the centred logits by it, before the "
         "softmax.", lambda t, s, c, a, b: t - c, _right_student),
        ("You forgot both temperatures. Each network's logits are divided by its own.",
         lambda t, s, c, a, b: t - c, lambda t, s, c, a, b: s),
        ("You swapped the temperatures. Each network's logits are divided by its own.",
         lambda t, s, c, a, b: (t - c) / b, lambda t, s, c, a, b: s / a),
        ("You used the teacher's temperature for both. Each network has its own.",
         _right_teacher, lambda t, s, c, a, b: s / a),
        ("You used the student's temperature for both. Each network has its own.",
         lambda t, s, c, a, b: (t - c) / b, _right_student),
        ("You multiplied by the temperatures. Divide by them: a low temperature sharpens.",
         lambda t, s, c, a, b: (t - c) * a, lambda t, s, c, a, b: s * b),
        ("You multiplied the teacher's scores by the temperature. Divide: a low temperature "
         "sharpens.", lambda t, s, c, a, b: (t - c) * a, _right_student),
        ("The two networks' logits are swapped: teacher_logits comes first and is what is centred.",
         lambda t, s, c, a, b: (s - c) / a, lambda t, s, c, a, b: t / b),
        ("0.04 and 0.1 are written in. The temperatures are arguments.",
         lambda t, s, c, a, b: (t - c) / 0.04, lambda t, s, c, a, b: s / 0.1),
        ("0.1 is written in for the student's temperature. It is an argument.",
         _right_teacher, lambda t, s, c, a, b: s / 0.1),
        ("0.04 is written in for the teacher's temperature. It is an argument.",
         lambda t, s, c, a, b: (t - c) / 0.04, _right_student),
        ("The teacher is in both places; the student's logits are not used.",
         _right_teacher, lambda t, s, c, a, b: t / b),
        ("A softmax of a softmax: F.log_softmax, like F.cross_entropy, takes scores and not "
         "probabilities. One is enough (both networks).",
         lambda t, s, c, a, b: ((t - c) / a).softmax(-1),
         lambda t, s, c, a, b: (s / b).softmax(-1)),
    )
}  # fmt: skip
# (log q, log p) -> what is made of them
# Those of the shared table, but for what LOG_SOFTMAX has too, or what two dimensions cannot tell.
OF_TWO = {
    m: f for m, f in KL.items() if "batchmean" not in m and not m.startswith("You took a log_soft")
}
WRONG_PAIRS = {
    "The sum kept its dimension (keepdim). KL is one number for each row: shape (rows,).": (
        lambda lq, lp: _of_logs(lq, lp)[:, None]
    ),
    "You weighted by log q in place of q. Where you need q itself, take log_q.exp().": (
        lambda lq, lp: (lq * (lq - lp)).sum(-1)
    ),
    f"You gave F.kl_div two probabilities, and the teacher's first. {KL_DIV}": (
        lambda lq, lp: (lp.exp() * (lp - lq.exp())).sum(-1)
    ),
    "Your KL is nan: the log of a negative number was taken. F.kl_div does so if its target is a "
    f"logarithm and log_target is not set. {KL_DIV}": lambda lq, lp: lq.sum(-1) * torch.nan,
    "You summed over the rows. Sum over the prototypes, dim=-1: KL is one number a row.": (
        lambda lq, lp: (lq.exp() * (lq - lp)).sum(0)
    ),
    "You squared the differences of the logarithms, weighted by q. KL takes them as they are: "
    "q (log q - log p).": lambda lq, lp: (lq.exp() * (lq - lp) ** 2).sum(-1),
    "You took squared differences of the logarithms. KL is the sum of q (log q - log p).": (
        lambda lq, lp: ((lq - lp) ** 2).sum(-1)
    ),
    "You took squared differences of the probabilities. KL is the sum of q (log q - log p).": (
        lambda lq, lp: ((lq.exp() - lp.exp()) ** 2).sum(-1)
    ),
    "The differences are weighted by p. It is the teacher that is believed: q (log q - log p).": (
        lambda lq, lp: (lp.exp() * (lq - lp)).sum(-1)
    ),
    "This is half of KL(q || p) + KL(p || q), which is symmetric. One direction is asked for.": (
        lambda lq, lp: ((lq.exp() - lp.exp()) * (lq - lp)).sum(-1) / 2
    ),
    "This is the Jensen-Shannon divergence, which compares both with their mean. KL(q || p) is "
    "asked for.": lambda lq, lp: (
        (_of_logs(lq, _middle(lq, lp)) + _of_logs(lp, _middle(lq, lp))) / 2
    ),
    "You made the teacher's target hard (argmax). It is a whole distribution: sum over it.": (
        lambda lq, lp: -lp.gather(-1, lq.argmax(-1, keepdim=True)).squeeze(-1)
    ),
    "Only the teacher's largest prototype is in your sum. The others belong to it too.": (
        lambda lq, lp: (lq.exp() * (lq - lp)).gather(-1, lq.argmax(-1, keepdim=True)).squeeze(-1)
    ),
    "This is the teacher's entropy; the student is not in it.": lambda lq, lp: _h(lq.exp()),
    "This is the student's entropy; the teacher is not in it.": lambda lq, lp: _h(lp.exp()),
    "This is the difference of the two entropies. KL is the cross-entropy less the teacher's "
    "entropy.": lambda lq, lp: _h(lp.exp()) - _h(lq.exp()),
    "The difference of the entropies the other way round. KL is the cross-entropy less the "
    "teacher's entropy.": lambda lq, lp: _h(lq.exp()) - _h(lp.exp()),
    "You took the logarithm after the sum: log sum q (q / p). It belongs inside.": (
        lambda lq, lp: (lq.exp() * (lq - lp).exp()).sum(-1).log()
    ),
    "You took the quotient q / p without its logarithm.": (
        lambda lq, lp: (lq.exp() * (lq - lp).exp()).sum(-1)
    ),
    "This is KL to base 10. DINO counts in nats, the natural logarithm.": (
        lambda lq, lp: _of_logs(lq, lp) / math.log(10)
    ),
    "This is KL over ln K. It is asked for in nats, undivided.": (
        lambda lq, lp: _of_logs(lq, lp) / math.log(lq.shape[-1])
    ),
    "You took the root of KL. KL itself is asked for.": lambda lq, lp: _of_logs(lq, lp).sqrt(),
}
# Said more closely by another table.
SKIPPED = (
    "You used 0.9",
    "The logarithm is missing",
    "You multiplied by the temp",
    "The temperature has no",
    "The sign",
    "A small",
    "These are logarithms",
    "This is the argmax",
)


def _middle(lq: Tensor, lp: Tensor) -> Tensor:
    return ((lq.exp() + lp.exp()) / 2).log()


def _over_rows(t: Tensor, c: Tensor | int, tau: float) -> Tensor:
    return ((t - c) / tau).log_softmax(0)


def _times(factor: Callable[[float, float], float]) -> Callable:
    return lambda t, s, c, a, b: _kl()(t, s, c, a, b) * factor(a, b)


PAIRS = WRONG_PAIRS | {
    message: lambda lq, lp, f=f: f(lq.exp(), lp.exp()) for message, f in OF_TWO.items()
}
WRONG_KLS = (
    with_piece(lambda scores: _built(scores), SCORES)
    | with_piece(lambda pair: _kl(pair=pair), PAIRS)
    | with_piece(
        lambda piece: _kl(student=piece),
        {m: f for m, f in LOG_SOFTMAX.items() if not m.startswith(SKIPPED) and "ceiling" not in m},
    )
    | with_piece(
        lambda soft: _kl(
            lambda t, c, tau: soft(t - c, tau),
            pair=lambda q, lp: (torch.special.xlogy(q, q) - q * lp).sum(-1),
        ),
        {
            f"The teacher's target: {m}": f
            for m, f in SOFTMAX.items()
            if not m.startswith(SKIPPED)
        },
    )
    | {
        DIM_0: _kl(_over_rows, lambda s, tau: _over_rows(s, 0, tau)),
        f"{DIM_0} So is the sum.": _kl(
            _over_rows,
            lambda s, tau: _over_rows(s, 0, tau),
            lambda lq, lp: (lq.exp() * (lq - lp)).sum(0),
        ),
        "You divided the logarithms by the temperatures, after the softmax. Divide the scores, "
        "before it.": lambda t, s, c, a, b: _of_logs(
            (t - c).log_softmax(-1) / a, s.log_softmax(-1) / b
        ),
        "KL is multiplied by both temperatures, as distillation multiplies by a temperature "
        "squared. Here nothing is multiplied.": _times(lambda a, b: a * b),
        "KL is multiplied by the student's temperature squared, as distillation does. Here nothing "
        "is multiplied.": _times(lambda a, b: b * b),
        "KL is multiplied by the teacher's temperature squared, as distillation does. Here nothing "
        "is multiplied.": _times(lambda a, b: a * a),
        "KL is multiplied by the student's temperature. Here nothing is multiplied.": (
            _times(lambda a, b: b)
        ),
        "KL is multiplied by the teacher's temperature. Here nothing is multiplied.": (
            _times(lambda a, b: a)
        ),
    }
)  # fmt: skip


@check("6.2", "KL between teacher and student")
def check_6_2(teacher_student_kl):
    # By hand: the teacher's target is (3/4, 1/4) and the student's answer (1/10, 9/10).
    by_hand = (
        torch.tensor([[1.0 + 0.5 * math.log(3), 2.0]]),
        torch.tensor([[0.7, 0.7 + 0.1 * math.log(9)]]),
        torch.tensor([[1.0, 2.0]]),
        0.5,
        0.1,
    )
    cases = [
        (torch.randn(n, k), torch.randn(n, k), torch.randn(1, k), a, b)
        for n, k, a, b in ((5, 6, 0.4, 0.9), (3, 4, 0.7, 0.25), (4, 4, 1.6, 0.5))
    ]
    cases.append(by_hand)
    compare(
        teacher_student_kl,
        cases,
        _kl(),
        WRONG_KLS,
        names="(rows,)",
        at_once=both(_built, scores=SCORES, pair=PAIRS),
    )
    # A student that is very wrong, and a teacher that is very sure.
    none = torch.zeros(1, 3)
    far = [
        (torch.tensor([[15.0, 0.0, 1.0]]), torch.tensor([[0.0, 15.0, 1.0]]), none, 0.04, 0.1),
        (torch.tensor([[0.0, 90.0, 1.0]]), torch.tensor([[160.0, -90.0, 0]]), none, 0.08, 0.1),
    ]
    for case in far:
        got = call(teacher_student_kl, *case)
        expect(
            not torch.as_tensor(got).isinf().all(),
            "Where the student gives almost nothing your KL is inf: its probability is rounded to "
            "0, and log(softmax(x)) takes the log of 0, or inf is put there, as "
            "torch.distributions.kl_divergence does. (float64 only puts it off.) Use log_softmax "
            "for both, which never leaves the logarithm.",
        )
        expect(
            torch.isfinite(torch.as_tensor(got)).all(),
            "Where the student gives almost nothing, or the teacher, your KL is inf or nan: "
            "log(softmax(x)) takes the log of 0 (float64 only puts it off). Use log_softmax for "
            "both, which never leaves the logarithm.",
        )

    def held(eps: float) -> Callable:
        return _kl(pair=lambda lq, lp: (lq.exp() * (lq - (lp.exp() + eps).log())).sum(-1))

    def dropped(lq: Tensor, lp: Tensor) -> Tensor:
        return torch.where(lp > -104, lq.exp() * (lq - lp), 0.0).sum(-1)

    ceilings = {
        f"log(p + eps), or p clamped, puts a ceiling on KL (eps = {e:g}): a student that is more "
        "wrong looks no worse. Use log_softmax.": held(e)
        for e in (
            *(10.0**-k for k in (300, 100, 45, 40, 38, 37, 36, 35, 32, 30, 25, 24, 20, 18, 16)),
            *(10.0**-k for k in (15, 14, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3)),
            torch.finfo(torch.float32).eps,
            torch.finfo(torch.float32).tiny,
            torch.finfo(torch.float64).eps,
        )
    } | {
        f"KL, or a logarithm in it, stops at {c}: a student that is more wrong looks no worse. "
        "log_softmax needs no such limit.": (
            lambda *case, c=c: _kl()(*case).clamp(max=c)
        )
        for c in (1, 5, 10, 20, 30, 50, 100, 1000)
    }  # fmt: skip
    ceilings[
        "Where the student's probability is rounded to 0, your term is left out or made 0 "
        "(nan_to_num, a mask): just where it is most wrong it pays nothing. Use log_softmax."
    ] = _kl(pair=dropped)
    compare(teacher_student_kl, far, _kl(), ceilings, "(rows,)", "KL of a student that is far off")
    expect_dtype(teacher_student_kl, *cases[0])
    expect_any_device(teacher_student_kl, *cases[0])
