"""Exercise 4.6, the loss, and then the center: tells apart centers that are no buffer, are updated
too early, by something else than the mean of raw teacher logits, or in evaluation.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare, expect_everywhere
from minidino.checks.core import (
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_gradient,
)
from minidino.checks.head_and_loss.common import dino, expect_loss, pair_mistakes, value_mistakes
from minidino.checks.mistakes import AVERAGE, CEILING, Table, softmax, with_piece

right_loss = dino()


def _mean(t: Tensor) -> Tensor:
    return t.mean(0, keepdim=True)


def _average(old: Tensor, new: Tensor, momentum: float) -> Tensor:
    return momentum * old + (1 - momentum) * new


def _two_steps(
    loss: Callable = right_loss,
    average: Callable = _average,
    taken: Callable = lambda s, t, c, tt: _mean(t),
    used: Callable = lambda old, new, t: old,
) -> Callable:
    """(s, t, center, m, ts, tt) -> loss, center after it, loss of a second step on the same rows.

    ``taken`` goes into the center's average, ``used`` is the center that the loss takes.
    """

    def run(s, t, c, m, ts, tt):
        new = average(c, taken(s, t, c, tt), m)
        newer = average(new, taken(s, t, new, tt), m)
        return loss(s, t, used(c, new, t), tt, ts), new, loss(s, t, used(new, newer, t), tt, ts)

    return run


def _twice(s, t, c, m, ts, tt):
    once = _average(c, _mean(t), m)
    twice = _average(once, _mean(t), m)
    thrice = _average(twice, _mean(t), m)
    return right_loss(s, t, once, tt, ts), twice, right_loss(s, t, thrice, tt, ts)


def _batch_of(t: Tensor) -> int:
    return len(t) // 2


RAW = "It is a mean of *raw* teacher logits"
TAKEN: Table = {
    f"The center was updated with probabilities, after the softmax. {RAW}: no center, no "
    "temperature, no softmax.": lambda s, t, c, tt: _mean(softmax(t - c, tt)),
    f"The center was updated with softmax(logits). {RAW}, without a softmax.": (
        lambda s, t, c, tt: _mean(softmax(t, 1))
    ),
    f"The center was updated with softmax(logits / temperature). {RAW}.": (
        lambda s, t, c, tt: _mean(softmax(t, tt))
    ),
    f"The center was updated with softmax(logits - center). {RAW}.": (
        lambda s, t, c, tt: _mean(softmax(t - c, 1))
    ),
    f"The center was updated with log-probabilities. {RAW}.": (
        lambda s, t, c, tt: _mean(softmax(t - c, tt).log())
    ),
    f"The center was updated with logits over the temperature. {RAW}, in whose world it is "
    "subtracted.": lambda s, t, c, tt: _mean(t / tt),
    f"The center was updated with the centred logits, so it tends to half of the mean. {RAW}.": (
        lambda s, t, c, tt: _mean(t - c)
    ),
    f"The center was updated with the centred logits over their temperature. {RAW}.": (
        lambda s, t, c, tt: _mean((t - c) / tt)
    ),
    "The center follows the student's logits. It is the teacher that is centred: use "
    "teacher_logits.": lambda s, t, c, tt: _mean(s),
    "The center follows the student's global views. It is the teacher that is centred: use "
    "teacher_logits.": lambda s, t, c, tt: _mean(s[: len(t)]),
    "The center took in student and teacher, all rows together. It is the teacher that is "
    "centred.": lambda s, t, c, tt: _mean(torch.cat([s, t])),
    "The center took in the mean of the student's mean and the teacher's. It is the teacher that "
    "is centred.": lambda s, t, c, tt: (_mean(s) + _mean(t)) / 2,
    "The center took in the sum over the rows; it should be their mean.": (
        lambda s, t, c, tt: t.sum(0, keepdim=True)
    ),
    "The center took in the sum over the rows by the batch, B. There are 2 B rows of the teacher: "
    "their mean.": lambda s, t, c, tt: t.sum(0, keepdim=True) / _batch_of(t),
    "The center took in the sum over the rows by the number of all the student's rows. The mean is "
    "over the teacher's.": lambda s, t, c, tt: t.sum(0, keepdim=True) / len(s),
    "The center took in the sum over the rows by the number of prototypes. Divide by the number of "
    "rows.": lambda s, t, c, tt: t.sum(0, keepdim=True) / t.shape[1],
    "The center took in half of the mean.": lambda s, t, c, tt: _mean(t) / 2,
    "The center took in the first teacher view only. The mean is over all rows, both views.": (
        lambda s, t, c, tt: _mean(t[: _batch_of(t)])
    ),
    "The center took in the second teacher view only. The mean is over all rows, both views.": (
        lambda s, t, c, tt: _mean(t[_batch_of(t) :])
    ),
    "The center took in the first row only. The mean is over all rows.": lambda s, t, c, tt: t[:1],
    "The center took in the last row only. The mean is over all rows.": lambda s, t, c, tt: t[-1:],
    "You averaged over the prototypes. The center has one entry per prototype: average over the "
    "rows, dim 0.": lambda s, t, c, tt: t.mean(-1, keepdim=True),
    "You averaged over rows and prototypes at once. The center has one entry per prototype: "
    "average over the rows, dim 0.": lambda s, t, c, tt: t.mean(),
    "There is a center for each view now, (2, K). It is one for all rows, (1, K): average over "
    "views and images.": lambda s, t, c, tt: t.view(2, -1, t.shape[1]).mean(1),
    "There is a center for each image now. It is one for all rows, (1, K): average over views and "
    "images.": lambda s, t, c, tt: t.view(2, -1, t.shape[1]).mean(0),
    "There is a center for each row now. It is one for all, (1, K): average over the rows.": (
        lambda s, t, c, tt: t
    ),
    "The center took in the median of the rows; their mean is asked for.": (
        lambda s, t, c, tt: t.median(0, keepdim=True).values
    ),
    "The center took in the largest of the rows; their mean is asked for.": (
        lambda s, t, c, tt: t.amax(0, keepdim=True)
    ),
    f"The center took in unit vectors (normalised logits). {RAW}.": (
        lambda s, t, c, tt: _mean(t / t.norm(dim=-1, keepdim=True))
    ),
}
EARLY: Table = {
    "The center was updated before it was used. The loss uses the center from before this step; "
    "else each batch is centred partly on itself.": lambda old, new, t: new,
    "You centred on this batch's mean alone. The loss uses the running center, from before this "
    "step.": lambda old, new, t: _mean(t),
    "You centred on zero: the center is kept, and not used in the loss.": (
        lambda old, new, t: 0 * old
    ),
}


def _mistakes() -> Table:
    words = {
        "It did not move: this is the old value.": "The center did not move. In training mode each "
        "step ends with its update: momentum * center + (1 - momentum) * mean. (Does it go to "
        "self.center?)",
        "You returned the new value": "The center is this batch's mean alone: it has no memory. "
        "momentum * center + (1 - momentum) * mean.",
    }

    def told(message: str) -> str:
        new = [w for start, w in words.items() if message.startswith(start)]
        return new[0] if new else f"The center: {message}"

    values = pair_mistakes() | value_mistakes()
    left_out = ("You left the center out", "You centred on this batch", CEILING, "A clamp puts")
    values = {m: f for m, f in values.items() if not m.startswith(left_out)}
    averages = {told(message): f for message, f in AVERAGE.items()}
    return {
        **with_piece(lambda used: _two_steps(used=used), EARLY),
        "The center was updated twice in one step.": _two_steps(
            average=lambda c, new, m: _average(_average(c, new, m), new, m)
        ),
        "The center was updated before it was used, and once more afterwards.": _twice,
        **with_piece(lambda loss: _two_steps(loss), values),
        "The target is not normalised: cross_entropy_of_pairs takes q, probabilities. Is a softmax "
        "missing?": _two_steps(_of_lean(lambda x: x)),
        **with_piece(lambda average: _two_steps(average=average), averages),
        **with_piece(lambda taken: _two_steps(taken=taken), TAKEN),
    }


def _of_lean(q_of: Callable) -> Callable:
    """cross_entropy_of_pairs of targets that do not sum to 1: lse is counted, not weighted."""

    def loss(s, t, c, tt, ts, n_global=2):
        batch = len(t) // n_global
        q, x = q_of((t - c) / tt).split(batch), (s / ts).split(batch)
        pairs = [(a, b) for i, a in enumerate(q) for j, b in enumerate(x) if i != j]
        return torch.stack([(b.logsumexp(-1) - (a * b).sum(-1)).mean() for a, b in pairs]).mean()

    return loss


@check("4.6", "the loss, and then the center")
def check_4_6(centered_loss):
    _judge_start(centered_loss)

    def made(c: Tensor, m: float, ts: float) -> nn.Module:
        layer = centered_loss(c.shape[1], student_temp=ts, center_momentum=m)
        with torch.no_grad():
            layer.center.copy_(c)
        return layer

    def answer(s, t, c, m, ts, tt):
        layer = made(c, m, ts)
        first = _number(call(layer, s, t, tt))
        after = layer.center.detach().clone()
        return first, after, _number(call(layer, s, t, tt))

    cases = []
    for k, batch, views, m, ts, tt in ((6, 4, 7, 0.8, 0.25, 0.4), (5, 6, 4, 0.35, 0.5, 0.2)):
        s, t = torch.randn(views * batch, k), torch.randn(2 * batch, k) + torch.linspace(-1, 2, k)
        cases.append((s, t, torch.randn(1, k), m, ts, tt))
    s, t, c, m, ts, tt = cases[0]
    moved = []
    for training in (True, False):
        layer = made(c, m, ts).train(training)
        call(layer, s, t, tt)
        moved.append(not close(layer.center, c))
    expect(
        moved != [False, True],
        "The center moves in evaluation mode and stays in training: it is the other way round. "
        "`if self.training:`, without `not`.",
    )
    written = "is written into your class. It follows from what is given."
    expect_everywhere(
        answer,
        [*cases, (*cases[0][:3], 0.9, 0.5, 0.2), (*cases[1][:3], 0.8, 0.1, 0.4)],
        _two_steps(),
        {
            f"The result is right for center_momentum = 0.9 only: 0.9 {written}": (
                lambda s, t, c, m, ts, tt: m == 0.9
            ),
            f"The result is right for a student's temperature of 0.1 only: 0.1 {written}": (
                lambda s, t, c, m, ts, tt: ts == 0.1
            ),
            f"The result is right for seven views only: a number {written}": (
                lambda s, t, c, m, ts, tt: t.shape[1] == 6
            ),
        },
    )
    what = "A training step's (loss, center after it, loss of the next step)"
    compare(answer, cases, _two_steps(), _mistakes(), what=what)

    s, t, c, m, ts, tt = cases[0]
    moved = _average(c, _mean(t), m)
    layer, source, target = made(c, m, ts), s.clone().requires_grad_(), t.clone().requires_grad_()
    got = call(layer, source, target, tt)
    expect_gradient(got, source, "No gradient reaches the student's logits; it cannot learn.")
    (leak,) = torch.autograd.grad(got, target, allow_unused=True, retain_graph=True)
    expect(
        leak is None or not leak.any(),
        "Gradients flow into the teacher. Its target is a given: compute it under "
        "torch.no_grad(), or .detach() it.",
    )
    expect(
        not layer.center.requires_grad,
        "The center carries gradients, and with them every earlier batch's graph. Update it under "
        "torch.no_grad(), or from teacher_logits.detach().",
    )
    expect(
        "center" in layer.state_dict() and torch.equal(layer.state_dict()["center"], layer.center),
        "After a step the center is no longer a buffer. Keep it in self.center, as registered.",
    )
    (got + call(layer, source, target, tt)).backward()

    layer = made(c, m, ts).eval()
    quiet = call(layer, s, t, tt)
    expect(
        close(layer.center, c),
        "The center was updated during evaluation (after .eval()). Measuring must not change the "
        "model: update it only if self.training.",
    )
    expect(
        close(quiet, right_loss(s.double(), t.double(), c.double(), tt, ts)),
        "In evaluation mode the loss is another one. Only the center's update depends on the mode.",
    )
    layer = made(c, m, ts)
    with torch.no_grad():
        call(layer, s, t, tt)
    expect(
        close(layer.center, moved),
        "Under torch.no_grad() the center stays. It moves in training mode (self.training), which "
        "is another switch.",
    )
    expect_any_device(lambda a, b: made(c, m, ts).to(a.device)(a, b, tt), s, t)


def _number(loss) -> Tensor:
    expect(
        not isinstance(loss, tuple | list | dict),
        "forward returns the loss alone. The center stays in the module.",
    )
    expect_loss(loss)
    return loss


def _judge_start(centered_loss: Callable) -> None:
    """The center of a fresh module: there, a buffer, saved, a row of zeros."""
    k = 6
    layer = call(centered_loss, k, student_temp=0.25, center_momentum=0.8)
    expect(isinstance(layer, nn.Module), "The class should be an nn.Module.")
    center = getattr(layer, "center", None)
    near = [n for n, _ in layer.named_buffers() if n.startswith("cent") and n != "center"]
    expect(
        isinstance(center, Tensor),
        "Your object has no tensor `center`. Make one in __init__."
        + (f" (It has one that is called `{near[0]}`.)" if near else "")
        + (" Yours is a method or a number." if center is not None else ""),
    )
    expect(
        "center" not in dict(layer.named_parameters()),
        "The center is a parameter, so it is handed to the optimizer, and counted and frozen with "
        "the weights. It is a statistic: register_buffer.",
    )
    expect(
        "center" in dict(layer.named_buffers()),
        "The center is a plain attribute: it is not saved with the module and does not go along "
        "in .to(device). A tensor that belongs to a module but is not trained is a buffer: "
        "self.register_buffer(name, tensor).",
    )
    expect(
        "center" in layer.state_dict(),
        "The center is a buffer, but not a persistent one, so it is missing in state_dict(). "
        "A run that is resumed would start with a center of 0 and a jump in the loss.",
    )
    expect(
        tuple(center.shape) == (1, k),
        f"The center has the shape {tuple(center.shape)}; (1, out_dim) is asked for, a row that "
        "broadcasts over (rows, K): torch.zeros(1, out_dim).",
    )
    expect(
        center.dtype == torch.float32,
        f"The center is {center.dtype}: it cannot take in fractions as float32 does.",
    )
    expect(
        not center.any(),
        "The center does not start at zeros. A run starts without knowledge of the mean: "
        "torch.zeros(1, out_dim).",
    )
    expect(
        not list(layer.parameters()),
        "The loss has parameters. It has none: nothing in it is trained.",
    )
