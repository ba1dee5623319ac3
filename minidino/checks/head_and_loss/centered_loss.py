"""Exercise 4.6, the loss, and then the center: tells apart centers that are no buffer, are updated
too early, by something else than the mean of raw teacher logits, or in evaluation.
"""

import torch
from torch import Tensor, nn

from minidino.checks.core import call, check, close, expect, expect_close, expect_gradient
from minidino.checks.head_and_loss.common import (
    SAME_VIEW,
    cross_entropies,
    loss_by_formula,
    value_mistakes,
)


@check("4.6", "the loss, and then the center")
def check_4_6(centered_loss):
    k, batch, views, m, tt, ts = 6, 3, 4, 0.8, 0.4, 0.25
    layer = call(centered_loss, k, student_temp=ts, center_momentum=m)
    expect(isinstance(layer, nn.Module), "The class should be an nn.Module.")
    expect(
        isinstance(getattr(layer, "center", None), Tensor),
        "Your object has no tensor `center`. Make one in __init__.",
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
    expect_close(
        layer.center, torch.zeros(1, k), names="(1, out_dim)", what="The center at the start"
    )

    s, t = torch.randn(views * batch, k), torch.randn(2 * batch, k) + torch.linspace(-1, 2, k)
    c = torch.randn(1, k)

    def fresh() -> nn.Module:
        made = centered_loss(k, student_temp=ts, center_momentum=m)
        with torch.no_grad():
            made.center.copy_(c)
        return made

    layer, source, target = fresh(), s.clone().requires_grad_(), t.clone().requires_grad_()
    got = call(layer, source, target, tt)
    mean = t.mean(0, keepdim=True)
    moved = m * c + (1 - m) * mean
    early = {
        "The center was updated before it was used. The loss uses the center from before this "
        "step; else each batch is centred partly on itself.": loss_by_formula(s, t, moved, tt, ts),
        "You centred on this batch's mean alone. The loss uses the running center, from before "
        "this step.": loss_by_formula(s, t, mean, tt, ts),
        "student_temp is fixed at 0.1 in your class. Use the one given to "
        "__init__.": loss_by_formula(s, t, c, tt, 0.1),
    }
    all_terms = cross_entropies(
        ((t.double() - c.double()) / tt).softmax(-1).view(2, batch, k),
        (s.double() / ts).log_softmax(-1).view(views, batch, k),
    )
    early |= {
        SAME_VIEW.format(n=8, m=6): all_terms.mean(),
        "You read the rows image-major. They are crop-major: .view(-1, batch, K).": loss_by_formula(
            s, t, c, tt, ts, layout="image-major"
        ),
    }
    expect_close(
        got,
        loss_by_formula(s, t, c, tt, ts),
        early | value_mistakes(s, t, c, tt, ts),
        what="The loss of a training step",
    )
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

    def after(value: Tensor) -> Tensor:
        return m * c + (1 - m) * value

    q = ((t - c) / tt).softmax(-1)
    expect_close(
        layer.center,
        moved,
        {
            "The center did not move. In training mode each step ends with its update: "
            "momentum * center + (1 - momentum) * mean. (Does it go to self.center?)": c,
            "Old and new are swapped: a momentum of 0.9 keeps nine tenths of the old center.": (
                (1 - m) * c + m * mean
            ),
            "The center was updated with probabilities, after the softmax. It is a mean of *raw* "
            "teacher logits: no center, no temperature, no softmax.": after(q.mean(0, True)),
            "The center was updated with softmax(logits). It is a mean of *raw* teacher logits, "
            "without a softmax.": after(t.softmax(-1).mean(0, True)),
            "The center was updated with softmax(logits / temperature). It is a mean of *raw* "
            "teacher logits.": after((t / tt).softmax(-1).mean(0, True)),
            "The center was updated with logits over the temperature. It is a mean of *raw* "
            "teacher logits, in whose world it is subtracted.": after(mean / tt),
            "The center was updated with the centred logits, so it tends to half of the mean. It "
            "is a mean of *raw* teacher logits.": after(mean - c),
            "The center was updated with the centred logits over their temperature. It is a mean "
            "of *raw* teacher logits.": after((mean - c) / tt),
            "The center follows the student's logits. It is the teacher that is centred: use "
            "teacher_logits.": after(s.mean(0, True)),
            "The center took in the sum over the rows; it should be their mean.": after(
                t.sum(0, True)
            ),
            "The center took in the first teacher view only. The mean is over all rows, both "
            "views.": after(t[:batch].mean(0, True)),
            "The center is this batch's mean alone: it has no memory.": mean,
            "The center was updated with a momentum of 0.9, whatever center_momentum says.": (
                0.9 * c + 0.1 * mean
            ),
            "The center was updated twice in one step.": m * moved + (1 - m) * mean,
            "You averaged over the prototypes. The center has one entry per prototype: average "
            "over the rows, dim 0.": after(t.mean()),
        },
        names="(1, out_dim)",
        what="The center after a step",
    )
    expect(
        "center" in layer.state_dict(),
        "After a step the center is no longer a buffer. Keep it in self.center, as registered.",
    )
    second = call(layer, source, target, tt)
    expect_close(
        second,
        loss_by_formula(s, t, moved, tt, ts),
        {
            "The second step's loss does not use the updated center.": loss_by_formula(
                s, t, c, tt, ts
            ),
        },
        what="The loss of a second step",
    )
    (got + second).backward()

    layer = fresh().eval()
    quiet = call(layer, s, t, tt)
    expect(
        close(layer.center, c),
        "The center was updated during evaluation (after .eval()). Measuring must not change the "
        "model: update it only if self.training.",
    )
    expect_close(quiet, loss_by_formula(s, t, c, tt, ts), what="The loss in evaluation mode")
    layer = fresh()
    with torch.no_grad():
        call(layer, s, t, tt)
    expect_close(
        layer.center, moved, {"Under torch.no_grad() the center stays. It moves in training mode "
        "(self.training), which is another switch.": c}, what="The center after a step"
    )  # fmt: skip
