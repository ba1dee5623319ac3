"""Checks of notebook 01: temperature, centering, cross-entropy, H and KL, the center."""

import torch

from minidino.checks.core import (
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_gradient,
    expect_tensor,
)

CEILING = (
    "log(p + eps) puts a ceiling on the loss: a student that is more wrong pays no more, and its "
    "gradient is gone. Use log_softmax."
)


@check("1.1", "softmax with a temperature")
def check_1_1(sharpen):
    # By hand: e^(ln 3 / 1) = 3, so 3 : 1; at half the temperature 9 : 1.
    scores = torch.tensor([[torch.log(torch.tensor(3.0)), 0.0]])
    got = call(sharpen, scores, 0.5)
    expect_tensor(got, (1, 2), "(rows, K)")
    expect_close(
        got,
        torch.tensor([[0.9, 0.1]]),
        {
            "You multiplied by the temperature. Divide: a low temperature makes differences "
            "between scores larger, and the softmax sharper.": torch.tensor([[0.6340, 0.3660]]),
            "You divided after the softmax; the rows no longer sum to 1. The temperature "
            "divides the scores, before the exponential.": torch.tensor([[1.5, 0.5]]),
            "These are logarithms of probabilities (log-softmax). The target is the "
            "probabilities themselves.": torch.tensor([[0.9, 0.1]]).log(),
            "The temperature is not used.": torch.tensor([[0.75, 0.25]]),
        },
        what="sharpen([[ln 3, 0]], 0.5)",
    )
    scores = torch.randn(3, 5)
    z = scores.double() / 0.1
    want = z.exp() / z.exp().sum(dim=1, keepdim=True)
    expect_close(
        call(sharpen, scores, 0.1),
        want,
        {
            "Your columns sum to 1, not your rows: you took the softmax over the views (dim 0). "
            "The distribution is over prototypes: dim=-1.": z.exp() / z.exp().sum(0, keepdim=True),
            "You divided by the sum over the whole batch. Each row is a distribution of its "
            "own: sum over dim=-1, keepdim=True.": z.exp() / z.exp().sum(),
        },
        names="(rows, K)",
    )
    big = call(sharpen, torch.tensor([[40.0, 39.9, 0.0]]), 0.04)
    expect(
        torch.isfinite(big).all(),
        "Scores of 40 at a temperature of 0.04 give nan: exp(1000) is beyond float32. Take the "
        "row's largest score away first (torch.softmax does); it cancels in the quotient.",
    )
    expect_close(big, torch.softmax(torch.tensor([[40.0, 39.9, 0.0]]).double() / 0.04, -1))
    expect_close(
        call(sharpen, scores.view(3, 1, 5), 0.1),
        want.view(3, 1, 5),
        {
            "With scores of shape (views, rows, K) you took the softmax over the rows (dim 1). "
            "The last dimension is dim=-1, however many there are.": torch.ones(3, 1, 5),
        },
        names="(views, rows, K)",
    )
    expect_any_device(sharpen, scores, 0.1)


@check("1.2", "the teacher's target")
def check_1_2(teacher_target):
    logits, center = torch.randn(4, 6), torch.randn(1, 6)

    def soft(x):
        return torch.softmax(x.double(), dim=-1)

    temp = 0.2
    want = soft((logits - center) / temp)
    plus = soft((logits + center) / temp)
    late = soft(logits / temp) - center.double()
    dim0 = torch.softmax(((logits - center) / temp).double(), dim=0)
    mistakes = {
        "You added the center. Centering takes the mean away, so that no prototype is favoured "
        "for all images alike: logits - center.": plus,
        "You took the center from the probabilities. It is a mean of raw scores: subtract it "
        "before the softmax.": late,
        "You divided the logits by the temperature but not the center. Subtract first, then "
        "divide the difference.": soft(logits / temp - center),
        "You left the center out: this is sharpening alone, which collapses to one prototype "
        "for every image.": soft(logits / temp),
        "You centred on this batch's own mean. The center is an argument: the running mean of "
        "many batches.": soft((logits - logits.mean(0)) / temp),
        "You left the temperature out: this is centering alone, which collapses to a uniform "
        "target.": soft(logits - center),
        "You took the softmax over the views (dim 0). The distribution is over prototypes: "
        "dim=-1.": dim0,
    }
    source = logits.clone().requires_grad_()
    got = call(teacher_target, source, center, temp)
    expect_close(got, want, mistakes, names="(rows, K)")
    expect(
        not got.requires_grad,
        "Gradients flow into the teacher. A target is a given: wrap it in torch.no_grad(), or "
        ".detach() it. Otherwise the teacher is trained to be easy to predict.",
    )
    expect_any_device(teacher_target, logits, center, temp)


@check("1.3", "cross-entropy of two distributions")
def check_1_3(cross_entropy):
    q = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])
    student = torch.tensor([[1.0, 0.0, -1.0], [0.3, 0.1, 0.2]])
    temp = 0.1
    logp = torch.log_softmax(student.double() / temp, dim=-1)
    p, t = logp.exp(), q.double()
    want = -(t * logp).sum(-1)
    swapped = -(p * t.log()).sum(-1)
    source = student.clone().requires_grad_()
    got = call(cross_entropy, q, source, temp)
    cold = torch.log_softmax(student.double() / 0.9, dim=-1)
    bare = torch.log_softmax(student.double(), dim=-1)
    h = torch.special.entr(t).sum(-1)
    expect_close(
        got,
        want,
        {
            "You returned one number for the batch. Here each row has its own cross-entropy; "
            "the mean comes later.": want.mean(),
            "You returned one number, the sum of the batch. Each row has its own.": want.sum(),
            "You averaged over the K prototypes. A cross-entropy is a sum over them: an "
            "expectation under q.": want / 3,
            "The sign is turned round: log p is negative, and a cross-entropy is positive.": -want,
            "You swapped the two: the target q goes in front, the logarithm is the student's. "
            "H(q, p) = -sum q log p.": swapped,
            "You returned KL(q || p). The cross-entropy keeps the target's entropy: "
            "H(q, p) = H(q) + KL(q || p).": want - h,
            "You did not divide the student's logits by its temperature.": -(t * bare).sum(-1),
            "You divided by the temperature after the logarithm. It divides the logits, inside "
            "the softmax.": -(t * bare).sum(-1) / temp,
            "You used 0.9 for the student's temperature; that is the center's momentum. Use "
            "the argument (0.1 in DINO).": -(t * cold).sum(-1),
            "You summed over the rows (dim 0). The sum is over prototypes: dim=-1.": -(
                t * logp
            ).sum(0),
        }
        | {f"{CEILING} (eps = {e:g})": -(t * (p + e).log()).sum(-1) for e in (1e-6, 1e-5, 1e-4)},
        names="(rows,)",
    )
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    # Further and further off, on the target's prototype: the loss must keep rising.
    one_hot, off = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 15.0]])
    near, far = (call(cross_entropy, one_hot, x, temp) for x in (off, 2 * off))
    expect(
        torch.isfinite(far).all(),
        "Where the student gives a prototype almost nothing, your loss is inf or nan: "
        "log(softmax(x)) takes the log of 0, and log(sum(exp(x))) overflows. Use log_softmax, "
        "which never leaves the logarithm.",
    )
    expect(
        near.item() <= 5 or far.item() > near.item() + 0.1,
        CEILING,
    )
    expect_close(far, torch.tensor([300.0]))


@check("1.4", "entropy, and what is left: KL")
def check_1_4(entropy_and_kl):
    def both(q, p):
        got = call(entropy_and_kl, q, p)
        expect(
            isinstance(got, tuple) and len(got) == 2,
            "Return two tensors: the entropy of q, and KL(q || p).",
        )
        return got

    # By hand: H = ln 2; KL = ln 2 - H(q, p) with p = (1/4, 3/4).
    q, p = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    h, kl = both(q, p)
    ln2 = torch.tensor([0.6931472])
    expect_close(
        h,
        ln2,
        {
            "This is in bits: log2. DINO counts in nats, the natural logarithm.": ln2 / 0.6931472,
            "The sign of the entropy is turned round; it is never negative.": -ln2,
            "You averaged over the prototypes; the entropy is a sum.": ln2 / 2,
            "You returned the cross-entropy in place of the entropy of q.": torch.tensor(
                [0.8369882]
            ),
        },
        names="(rows,)",
        what="The entropy of (1/2, 1/2)",
    )
    expect_close(
        kl,
        torch.tensor([0.1438410]),
        {
            "You swapped the two: this is KL(p || q). The teacher q is the one that is "
            "believed, so it stands in front.": torch.tensor([0.1308120]),
            "The sign of KL is turned round; it is never negative.": torch.tensor([-0.1438410]),
            "This is the cross-entropy; take the entropy of q away.": torch.tensor([0.8369882]),
        },
        names="(rows,)",
        what="KL((1/2, 1/2) || (1/4, 3/4))",
    )
    h, kl = both(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    expect(
        torch.isfinite(h).all() and torch.isfinite(kl).all(),
        "A target of (1, 0) gives nan: 0 * log 0 is nan to a computer, and 0 by its limit. "
        "torch.special.entr and torch.special.xlogy know.",
    )
    expect_close(h, torch.zeros(1), what="The entropy of (1, 0)", tolerance=1e-6)
    expect_close(kl, ln2, what="KL((1, 0) || (1/2, 1/2))")
    q, p = torch.rand(3, 4, 7).softmax(-1), torch.randn(3, 4, 7).softmax(-1)
    h, kl = both(q, p)
    expect_close(h, -(q.double() * q.double().log()).sum(-1), names="(views, rows)")
    expect_close(kl, (q.double() * (q.double() / p.double()).log()).sum(-1), names="(views, rows)")


@check("1.5", "the center's moving average")
def check_1_5(update_center):
    center, logits = torch.randn(1, 5), torch.randn(8, 5) + 2
    want = 0.9 * center + 0.1 * logits.mean(0, keepdim=True)
    got = call(update_center, center, logits, 0.9)
    expect_close(
        got,
        want,
        {
            "Old and new are swapped: a momentum of 0.9 keeps nine tenths of the old center.": 0.1
            * center
            + 0.9 * logits.mean(0, keepdim=True),
            "You averaged the probabilities. The center is a mean of *raw* logits, without "
            "temperature or softmax (equation 4).": 0.9 * center
            + 0.1 * logits.softmax(-1).mean(0, keepdim=True),
            "You added the sum over the rows; it should be their mean, or the center grows with "
            "the batch.": 0.9 * center + 0.1 * logits.sum(0, keepdim=True),
            "You averaged over the prototypes. The center has one entry per prototype: average "
            "over the rows, dim 0.": 0.9 * center + 0.1 * logits.mean(-1, keepdim=True),
            "You averaged over rows and prototypes at once. The center has one entry per "
            "prototype: average over the rows, dim 0.": 0.9 * center + 0.1 * logits.mean(),
            "You returned this batch's mean alone. The center moves slowly: momentum * center + "
            "(1 - momentum) * mean.": logits.mean(0, keepdim=True),
            "You took the mean over only part of the rows.": 0.9 * center + 0.1 * logits[:1],
        },
        names="(1, K)",
    )
    expect(
        not call(update_center, center, logits.requires_grad_(), 0.9).requires_grad,
        "The center carries gradients from step to step. It is a statistic, not a parameter: "
        "compute it under torch.no_grad() or from logits.detach().",
    )
    expect_any_device(update_center, center, logits.detach(), 0.9)
