"""Exercise 8.3, a linear probe: tells apart features that are standardised otherwise or not frozen,
another optimizer, rate, loss or start, and results that are not logits.
"""

import torch
from torch import Tensor

from minidino.checks.core import Wrong, call, check, close, expect, expect_close, expect_tensor
from minidino.checks.evaluation.common import unit


def _probe(
    x: Tensor,
    y: Tensor,
    test: Tensor,
    rate: float,
    steps: int,
    momentum: float = 0.9,
    schedule=None,
    accumulate: bool = False,
    total: bool = False,
    decay: float = 0.0,
    bias: bool = True,
    twice: bool = False,
) -> Tensor:
    """Test logits after SGD on x as it is, with the softmax's gradient written out.

    With ``twice`` the cross-entropy, which takes a softmax, was given probabilities.
    """
    x, test = x.double(), test.double()
    one = float(bias)
    x, test = (torch.cat([v, torch.full((len(v), 1), one).double()], dim=1) for v in (x, test))
    target = torch.eye(int(y.max()) + 1).double()[y]
    w = torch.zeros(x.shape[1], target.shape[1], dtype=torch.float64)
    v, kept = torch.zeros_like(w), torch.zeros_like(w)
    schedule = schedule or (lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * s / steps))))
    for step in range(steps):
        p = torch.softmax(x @ w, dim=1)
        error = torch.softmax(p, dim=1) - target if twice else p - target
        if twice:
            error = p * (error - (p * error).sum(1, keepdim=True))
        g = x.T @ error / (1 if total else len(x))
        kept = kept + g if accumulate else g
        v = momentum * v + kept + decay * w
        w = w - rate * float(schedule(step)) * v
    return test @ w


def _standard(v: Tensor, by: Tensor, unbiased: bool = True) -> Tensor:
    return (v - by.mean(0)) / by.std(0, unbiased=unbiased)


def _probe_mistakes(x: Tensor, y: Tensor, t: Tensor, rate: float, steps: int) -> dict[str, Tensor]:
    """What goes wrong in a probe, and the logits (M, C) it gives."""
    x0, t0 = _standard(x, x), _standard(t, x)
    want = _probe(x0, y, t0, rate, steps)
    everything = torch.cat([x, t])
    return {
        "You standardised the test features with the *test* set's mean and standard "
        "deviation. A test image is judged alone, by what was known before it came: use "
        "those of the training features.": _probe(x0, y, _standard(t, t), rate, steps),
        "The mean and standard deviation are of training and test features together. "
        "The test set must take no part: use those of the training features.": _probe(
            _standard(x, everything), y, _standard(t, everything), rate, steps
        ),
        "You standardised the training features but not the test features. The probe "
        "has never seen numbers like those.": _probe(x0, y, t, rate, steps),
        "You did not standardise. Features of different models have different scales, "
        "and one learning rate could not serve them all.": _probe(x, y, t, rate, steps),
        "You took the mean away but did not divide by the standard deviation.": _probe(
            x - x.mean(0), y, t - x.mean(0), rate, steps
        ),
        "You standardised each image over its own features (dim 1). Each feature has a "
        "mean over the training images: dim=0.": _probe(
            *(
                (v - v.mean(1, keepdim=True)) / v.std(1, keepdim=True) if i != 1 else v
                for i, v in enumerate((x, y, t))
            ),
            rate,
            steps,
        ),
        "One mean and one standard deviation for all features. Each feature has its own: dim=0, or "
        "a few large ones drown the rest.": _probe(
            (x - x.mean()) / x.std(), y, (t - x.mean()) / x.std(), rate, steps
        ),
        "You brought the features to length 1 first. That is k-NN's business; the probe takes them "
        "as they come, standardised.": _probe(
            _standard(unit(x), unit(x)), y, _standard(unit(t), unit(x)), rate, steps
        ),
        "There is no bias: logits = W^T (z - mu) / sigma + b, and b is trained, too.": _probe(
            x0, y, t0, rate, steps, bias=False
        ),
        "Your learning rate is 0 in the last step already. At step s of S it is "
        "rate * (1 + cos(pi s / S)) / 2, with s from 0 to S - 1.": _probe(
            x0,
            y,
            t0,
            rate,
            steps,
            schedule=lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * s / (steps - 1)))),
        ),
        "There is no momentum; it should be 0.9.": _probe(x0, y, t0, rate, steps, momentum=0.0),
        "Your learning rate stays the same to the end. It should fall to 0 by a cosine: "
        "rate * (1 + cos(pi step / steps)) / 2.": _probe(
            x0, y, t0, rate, steps, schedule=lambda s: 1.0
        ),
        "Your learning rate moves before the first step is made. Step 0 has the full "
        "rate: optimizer.step() first, then scheduler.step().": _probe(
            x0,
            y,
            t0,
            rate,
            steps,
            schedule=lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (s + 1) / 12))),
        ),
        "Your learning rate falls in a straight line; it should fall by a cosine.": _probe(
            x0, y, t0, rate, steps, schedule=lambda s: 1 - s / steps
        ),
        "Gradients of all steps add up: optimizer.zero_grad() is missing before "
        "backward().": _probe(x0, y, t0, rate, steps, accumulate=True),
        "Your loss is the sum over the images; it should be their mean, or the learning "
        "rate would depend on how many there are.": _probe(x0, y, t0, rate, steps, total=True),
        "You made one step too few: there should be `steps` of them.": _probe(
            x0,
            y,
            t0,
            rate,
            steps - 1,
            schedule=lambda s: 0.5 * (1 + torch.cos(torch.tensor(torch.pi * s / steps))),
        ),
        "You gave the cross-entropy probabilities. F.cross_entropy takes the softmax itself: give "
        "it the logits.": _probe(x0, y, t0, rate, steps, twice=True),
        "These are probabilities; return the logits, before the softmax.": torch.softmax(
            want, dim=1
        ),
        "These are log-probabilities; return the logits, before the softmax.": torch.log_softmax(
            want, dim=1
        ),
        "All logits are 0: nothing was trained.": torch.zeros_like(want),
    } | {
        f"The weights decay ({decay:g}). The probe has no weight decay.": _probe(
            x0, y, t0, rate, steps, decay=decay
        )
        for decay in (1e-4, 1e-3, 5e-4, 1e-2, 0.04)
    }


@check("8.3", "a linear probe")
def check_8_3(fit_probe):
    centers = torch.randn(4, 6)
    y = torch.arange(60) % 4
    scale, shift = torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0, 9.0]), torch.randn(6)
    x = (centers[y] + 0.8 * torch.randn(60, 6)) * scale + shift
    # Not drawn as the training features are: classes 0 and 1 only.
    t = (centers[torch.arange(10) % 4 // 2] + 0.8 * torch.randn(10, 6)) * scale + shift
    rate, steps = 0.5, 12
    source, test_source = x.clone().requires_grad_(), t.clone().requires_grad_()
    leak = (
        "Gradients flow into the features, and through them into the backbone: that is "
        "fine-tuning, and the features are no longer frozen. detach() them first."
    )
    try:
        got = call(fit_probe, source, y, test_source, rate, steps)
    except RuntimeError as error:
        # The graph above the loop is used by every step, and freed by the first.
        if "backward through the graph a second time" not in str(error):
            raise
        raise Wrong(leak) from None
    expect(source.grad is None and test_source.grad is None, leak)
    shape = tuple(getattr(got, "shape", ()))
    expect(
        shape != (60, 4),
        "These are logits of the training features. Return those of the test features.",
    )
    expect(shape != (10,), "You returned labels; here the logits are asked for, (M, C).")
    expect_tensor(got, (10, 4), "(M, C)")
    expect(
        not got.requires_grad,
        "The logits carry a graph; a result to be kept should not. detach() it.",
    )
    # The standard deviation of n numbers is divided by n or by n - 1; both are right.
    want, other = (
        _probe(_standard(x, x, u), y, _standard(t, x, u), rate, steps) for u in (True, False)
    )
    if not close(got, other) and not close(got, want):
        untrained = call(fit_probe, x, y, t, 0.0, 1)
        expect(
            close(untrained, untrained[:1, :1].expand_as(untrained)),
            "At a learning rate of 0 your logits are not 0: the weights start at random numbers, "
            "as nn.Linear's do. Start weight and bias at 0, and the result is the same each time.",
        )
        # Adam's first step moves every weight by the learning rate, whatever its gradient. (The
        # bias's is 0 but for rounding, so what is the same for all images is left out.)
        gradient = _standard(x, x).T @ (0.25 - torch.eye(4)[y])
        by_adam = -rate * _standard(t, x) @ gradient.sign()
        first = call(fit_probe, x, y, t, rate, 1)
        expect(
            not close(first - first.mean(0), by_adam - by_adam.mean(0), 1e-3),
            "This is Adam. The probe is trained by SGD with momentum 0.9.",
        )
        mistakes = _probe_mistakes(x, y, t, rate, steps)
        expect_close(got, want, mistakes, names="(M, C)", what="The matrix of test logits")
    # A feature that is 0 in every image, as a box of colours may be, changes nothing.
    x, t = (torch.cat([v, torch.zeros(len(v), 1)], dim=1) for v in (x, t))
    got_with = call(fit_probe, x, y, t, rate, steps)
    expect(
        close(got_with, got),
        "A feature that is 0 in every image should change nothing, but its standard deviation is 0 "
        "and yours becomes 0 / 0. Divide by a small number there: std.clamp(min=1e-6).",
    )
