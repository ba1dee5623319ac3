"""Exercise 12.1, the loss in slices: tells apart wrong joins of the slices, wrong temperatures, and
right losses that make, or keep for the backward pass, too many logits at a time.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from minidino.checks.core import call, check, expect, expect_any_device, expect_close, expect_tensor
from minidino.checks.head_and_loss.common import cross_entropies, of_different_views
from minidino.checks.head_and_loss.lean_loss import lean_mistakes
from minidino.checks.scaling_up.operations import Operations


class Widths(TorchDispatchMode):
    """The most rows of ``table`` that a matrix product inside a ``with`` takes at a time."""

    def __init__(self, table: Tensor):
        super().__init__()
        self.units, self.widest = F.normalize(table.detach(), dim=-1), 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        name = op.overloadpacket.__name__
        if name in ("mm", "bmm", "addmm", "baddbmm"):
            left, right = args[-2:]
            for rows in (left, right.mT):
                # The table itself, or a multiple of it: its rows are then parallel to known ones.
                if rows.shape[-1] == self.units.shape[-1]:
                    first = F.normalize(rows.detach().flatten(0, -2)[:1].to(self.units), dim=-1)
                    if (first @ self.units.T).abs().max() > 1 - 1e-5:
                        self.widest = max(self.widest, rows.shape[-2])
        return op(*args, **(kwargs or {}))


def _sliced_mistakes(
    x: Tensor, prototypes: Tensor, q: Tensor, temp: float, slice_size: int
) -> dict[str, Tensor]:
    """Mistakes in joining the slices and with the temperature, then those of exercise 4.5."""
    x, prototypes, q = x.double(), prototypes.double(), q.double()
    (n_global, batch, k), views = q.shape, len(x)
    raw = x @ prototypes.T
    s = raw / temp
    n = torch.full((views, 1), float(n_global)).double()
    n[:n_global] -= 1
    summed = torch.cat([q.sum(0) - q, q.sum(0).expand(views - n_global, -1, -1)])
    dot = (summed * s).sum()
    lses = torch.stack([part.logsumexp(-1) for part in s.split(slice_size, dim=-1)])
    whole = k // slice_size * slice_size

    def loss(log_z: Tensor, dot: Tensor = dot) -> Tensor:
        return ((n * log_z).sum() - dot) / (batch * n_global * (views - 1))

    log_z = s.logsumexp(-1)
    mistakes = {
        "You added the slices' logsumexps. Sums of exponentials add up, logarithms do not: "
        "torch.logsumexp over the slices' results joins them.": loss(lses.sum(0)),
        "You averaged the slices' logsumexps. They are joined as the prototypes within a slice "
        "are: by a logsumexp.": loss(lses.mean(0)),
        "You took the largest of the slices' logsumexps. That is near, but the others count too: "
        "join them by a logsumexp.": loss(lses.amax(0)),
        "Only the last slice's logsumexp is left. Each slice has to be joined to those before "
        "it.": loss(lses[-1]),
        "Only the first slice's logsumexp counts. Do you return from inside the loop?": loss(
            lses[0]
        ),
        "Your running logsumexp begins at 0, which is the logsumexp of one score of 0: a "
        "prototype too many. Begin with -inf, or with the first slice.": loss(
            torch.logaddexp(log_z, torch.zeros(1).double())
        ),
        "The temperature divides only the logsumexp. Both terms are of s, the scores over the "
        "temperature.": loss(log_z, dot * temp),
        "The temperature divides only the product with the targets. Both terms are of s, the "
        "scores over the temperature.": loss(raw.logsumexp(-1)),
        "You divided the logsumexp by the temperature. It is the scores that are divided, inside "
        "the logsumexp: (x @ part.T / temp).logsumexp(-1).": loss(raw.logsumexp(-1) / temp),
        "You divided each slice's logsumexp by the temperature. It is the scores that are divided, "
        "inside the logsumexp: (x @ part.T / temp).logsumexp(-1).": loss(
            torch.stack([r.logsumexp(-1) / temp for r in raw.split(slice_size, dim=-1)]).logsumexp(
                0
            )
        ),
        "You did not divide by the temperature.": loss(raw.logsumexp(-1), dot * temp),
        "You multiplied by the temperature. Divide: x @ prototypes.T / temp.": loss(
            (raw * temp).logsumexp(-1), dot * temp**2
        ),
        "The temperature is fixed at 0.1 in your function. Use the argument.": loss(
            (raw / 0.1).logsumexp(-1), dot * temp / 0.1
        ),
    }
    if 0 < whole < k:
        mistakes |= {
            "The last slice is missing: K does not divide by slice_size, and what is left over "
            "counts too. range(0, K, slice_size) has it.": loss(s[..., :whole].logsumexp(-1)),
            "The last prototypes are missing from both terms: K does not divide by slice_size, "
            "and what is left over counts too. range(0, K, slice_size) has it.": loss(
                s[..., :whole].logsumexp(-1), (summed * s)[..., :whole].sum()
            ),
        }
    unit = F.normalize(x, dim=-1), F.normalize(prototypes, dim=-1)
    for what, a, b in (
        ("both", *unit),
        ("x", unit[0], prototypes),
        ("the prototypes", x, unit[1]),
    ):
        t = a @ b.T / temp
        mistakes[
            f"You normalised {what} (F.normalize). x and prototypes are taken as they are; whoever "
            "calls has normalised what needs it."
        ] = loss(t.logsumexp(-1), (summed * t).sum())
    plain = {m: v for m, v in lean_mistakes(s, q).items() if "temperature" not in m}
    return mistakes | plain


@check("12.1", "the loss in slices")
def check_12_1(lean_loss):
    # By hand, one prototype a slice: p = (1/2, 1/2), (3/4, 1/4), (1/4, 3/4); view 0's target is
    # prototype 0, view 1's is prototype 1. Scores are 2 x over a temperature of 1/3; they are
    # moved, which changes no p, so that sums, maxima and products differ.
    log = math.log
    scores = torch.tensor([[[1.0, 1.0]], [[2 + log(3), 2.0]], [[1.0, 1 + log(3)]]])
    x, w, q = scores / 6, 2 * torch.eye(2), torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    got = call(lean_loss, x, w, q, 1 / 3, 1)
    expect_tensor(got, (), "a scalar")
    expect_close(
        got,
        -(log(3 / 4) + log(1 / 4) + log(1 / 2) + log(3 / 4)) / 4,
        _sliced_mistakes(x, w, q, 1 / 3, 1),
        what="The loss of three views, worked by hand,",
    )
    views, batch, k, d, temp = 12, 8, 128, 4, 0.3
    x, w = torch.randn(views, batch, d), torch.randn(k, d)
    q = (2 * torch.randn(2, batch, k)).softmax(-1)

    def plain(x: Tensor, w: Tensor, q: Tensor, temp: float) -> Tensor:
        s = (x.double() @ w.double().T) / temp
        return of_different_views(cross_entropies(q.double(), s.log_softmax(-1))).mean()

    for slice_size in (16, 24, 1000):  # it divides K, it does not, it is more than K
        got = call(lean_loss, x, w, q, temp, slice_size)
        mistakes = _sliced_mistakes(x, w, q, temp, slice_size)
        what = f"The loss of {k} prototypes, {slice_size} a slice,"
        expect_close(got, plain(x, w, q, temp), mistakes, what=what)
    three = torch.randn(3, batch, k).softmax(-1)
    expect_close(
        call(lean_loss, x[:5], w, three, temp, 16),
        plain(x[:5], w, three, temp),
        {
            "You took n_global for 2. It is len(q).": of_different_views(
                cross_entropies(
                    three[:2].double(), (x[:5].double() @ w.double().T / temp).log_softmax(-1)
                )
            ).mean()
        },
        what="With three global views among five (2 targets for a global view), the loss",
    )
    expect(
        torch.isfinite(call(lean_loss, 1e3 * x, w, q, temp, 16)),
        "Large scores give inf or nan: exp overflows. torch.logsumexp takes the largest away "
        "first; join the slices with it too, or with torch.logaddexp.",
    )
    _memory_of_the_sliced_loss(lean_loss, plain, temp)
    expect_any_device(lean_loss, x, w, q, temp, 16)


def _memory_of_the_sliced_loss(lean_loss: Callable, plain: Callable, temp: float) -> None:
    """Gradients, and how much is made, kept and alive on the way to them."""
    # 64 slices of 16: their number and their size differ, and a slice is little beside all. No
    # other dimension is 5, so a product over 5 numbers is one of logits.
    views, batch, k, d, slice_size = 20, 6, 1024, 5, 16
    x, w = torch.randn(views, batch, d), torch.randn(k, d)
    q = (2 * torch.randn(2, batch, k)).softmax(-1)
    everything = views * batch * k  # numbers in all logits
    limit = everything // 2
    allowed = f"The limit is half of all logits, {limit:,} of {everything:,}."
    source, prototypes = x.clone().requires_grad_(), w.clone().requires_grad_()
    inputs = {t.untyped_storage().data_ptr() for t in (source, prototypes, q)}
    kept: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes() // t.element_size()
        return t

    with Widths(w) as seen, Operations() as made:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            got = lean_loss(source, prototypes, q, temp, slice_size)
        expect(
            got.requires_grad,
            "No gradient reaches the student; it cannot learn. Is there a no_grad or a detach?",
        )
        forward, most_forward = made.largest, made.most
        got.backward()
    wide, narrow = x.double().requires_grad_(), w.double().requires_grad_()
    plain(wide, narrow, q, temp).backward()
    for name, mine, want in (("x", source, wide), ("the prototypes", prototypes, narrow)):
        expect(
            mine.grad is not None,
            f"No gradient reaches {name}. Both the bottleneck vectors and the prototypes are "
            "trained.",
        )
        expect_close(mine.grad, want.grad, what=f"The value is right; the gradient for {name}")
    expect(
        forward < limit,
        f"The value is right, but your function makes a tensor of {forward:,} numbers. {allowed} "
        "Only a slice of them, (V, B, slice_size), need exist at a time. For "
        "the product with the targets no logits are needed: "
        "sum_k Q_k <w_k, x> = <sum_k Q_k w_k, x>.",
    )
    left = sum(size for at, size in kept.items() if at not in inputs)
    expect(
        left < limit,
        "The value is right, and each slice is small; but autograd keeps every slice for the "
        f"backward pass, {left:,} numbers in all. {allowed} "
        "checkpoint(f, *tensors, use_reentrant=False) keeps only the inputs and computes the "
        "slice again.",
    )
    expect(
        most_forward < limit,
        f"The value is right, and each slice is small; but {most_forward:,} numbers exist at once "
        f"in the forward pass. {allowed} Collect the slices' logsumexps, (V, B) each, not their "
        "logits.",
    )
    expect(
        seen.widest < k,
        f"The value is right, but some product takes all {k:,} prototypes at once, for a part of "
        "x. It is the prototypes that are cut: (V, B, slice_size) logits at a time, for all views.",
    )
    expect(
        seen.widest != -(-k // slice_size),
        f"The value is right, but with slice_size {slice_size} your slices have {seen.widest} "
        "prototypes: you cut into slice_size parts. slice_size is how many prototypes are in a "
        "slice, not how many slices: split(slice_size), not chunk.",
    )
    expect(
        seen.widest <= slice_size,
        f"The value is right, but your slices have up to {seen.widest} prototypes; slice_size is "
        f"{slice_size}.",
    )
    expect(
        made.largest < limit,
        f"The backward pass makes a tensor of {made.largest:,} numbers. {allowed} "
        "Compute the backward pass slice by slice too; checkpoint does that for you.",
    )
    expect(
        made.most < limit,
        f"The value is right, but {made.most:,} numbers exist at once in the backward pass. "
        f"{allowed} Do you checkpoint the whole loop? When it is repeated, all slices exist at "
        "once: one checkpoint a slice.",
    )
