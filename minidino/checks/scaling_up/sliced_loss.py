"""Exercise 12.1, the loss in slices: tells apart losses that are joined, counted or differentiated
wrongly, and right ones that make, or keep for the backward pass, too many logits at a time.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from minidino.checks.compare import compare
from minidino.checks.core import (
    call,
    check,
    close,
    expect,
    expect_any_device,
    expect_dtype,
    expect_tensor,
)
from minidino.checks.scaling_up.operations import Operations
from minidino.checks.scaling_up.sliced_mistakes import (
    GRADIENT_MISTAKES,
    gradients,
    sliced_loss,
    sliced_mistakes,
)


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


def _case(views: int, batch: int, g: int, k: int, d: int, temp: float, size: int) -> tuple:
    q = (2 * torch.randn(g, batch, k)).softmax(-1)
    return torch.randn(views, batch, d), torch.randn(k, d), q, temp, size


@check("12.1", "the loss in slices")
def check_12_1(lean_loss):
    # By hand, one prototype a slice: p = (1/2, 1/2), (3/4, 1/4), (1/4, 3/4); view 0's target is
    # prototype 0, view 1's is prototype 1. Scores are 2 x over a temperature of 1/3; they are
    # moved, which changes no p, so that sums, maxima and products differ.
    log3 = 1.0986123
    scores = torch.tensor([[[1.0, 1.0]], [[2 + log3, 2.0]], [[1.0, 1 + log3]]])
    by_hand = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    cases = [
        (scores / 6, 2 * torch.eye(2), by_hand, 1 / 3, 1),
        _case(views=7, batch=4, g=2, k=11, d=3, temp=0.3, size=4),  # it does not divide K
        _case(views=6, batch=2, g=3, k=16, d=5, temp=0.7, size=7),
        _case(views=5, batch=3, g=2, k=13, d=2, temp=0.4, size=100),  # it is more than K
        _case(views=6, batch=5, g=4, k=12, d=6, temp=0.9, size=3),
    ]
    with Operations() as made:
        got = call(lean_loss, *cases[1])
    expect_tensor(got, (), "a scalar")
    for half in made.types & {torch.bfloat16, torch.float16}:
        expect(
            False,
            f"Something in your function is computed in {str(half).removeprefix('torch.')}: 2 or 3 "
            "digits, too few for a difference of two large terms. Leave the type as it comes.",
        )
    compare(lean_loss, cases, sliced_loss(), sliced_mistakes(), what="The loss")
    large = [(1e3 * x, *others) for x, *others in cases[1:3]]
    expect(
        all(torch.isfinite(call(lean_loss, *case)) for case in large),
        "Large scores give inf or nan: exp overflows. torch.logsumexp takes the largest away "
        "first; join the slices with it too, or with torch.logaddexp.",
    )
    compare(lean_loss, large, sliced_loss(), what="Where scores are large, the loss")
    cases = [
        _case(views=5, batch=3, g=2, k=12, d=4, temp=0.3, size=4),
        _case(views=6, batch=2, g=3, k=15, d=3, temp=0.7, size=3),
    ]
    right = gradients(sliced_loss())
    what = "The value is right; the gradient"
    compare(gradients(lean_loss), cases, right, GRADIENT_MISTAKES, what=what)
    _memory_of_the_sliced_loss(lean_loss)
    expect_dtype(lean_loss, *cases[0])
    expect_any_device(lean_loss, *cases[0])


def _what_is_so_large(t: Tensor, x: Tensor, w: Tensor, g: int, temp: float) -> str:
    """What the rows of a tensor with K columns are, in words, or ""."""
    if t.shape[-1] != len(w) or not t.is_floating_point():
        return ""
    rows = t.detach().double().reshape(-1, len(w))
    sums = rows.sum(-1)
    if (rows >= 0).all() and g > 2 and all(round(n, 3) in (g - 1, g) for n in sums.tolist()):
        return (
            "These are the targets, written out for every view. Sum the prototypes first, weighted "
            "by the targets: q @ prototypes is (G, B, d), and all local views share its sum."
        )
    if (rows >= 0).all() and close(sums, torch.ones_like(sums)):
        return "These are the student's probabilities. The loss needs their logsumexps only."
    if close(rows.logsumexp(-1), torch.zeros_like(sums)):
        return "These are log-probabilities. The loss needs the scores' logsumexps only."
    raw = (x.double() @ w.double().T).reshape(-1, len(w))
    for scores in (raw, raw / temp):
        if (scores - rows[:1]).abs().amax(-1).min() < 1e-3:
            return (
                "These are logits of all prototypes. Only a slice of them, (V, B, slice_size), "
                "need exist at a time. For the product with the targets no logits are needed: "
                "sum_k Q_k <w_k, x> = <sum_k Q_k w_k, x>."
            )
    return ""


def _memory_of_the_sliced_loss(lean_loss: Callable) -> None:
    """How much is made, kept and alive on the way to the value and to the gradients."""
    # 39 slices of 16: their number and their size differ, and a slice is little beside all. No
    # other dimension is 5, so a product over 5 numbers is one of logits.
    views, batch, g, k, slice_size, temp = 20, 6, 3, 624, 16, 0.3
    x, w, q, *_ = _case(views, batch, g, k, d=5, temp=temp, size=slice_size)
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
        forward, most_forward, biggest = made.largest, made.most, made.biggest
        got.backward()
    expect(
        forward < limit,
        f"The value is right, but your function makes a tensor of {forward:,} numbers. {allowed} "
        f"{_what_is_so_large(biggest, x, w, g, temp)}",
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
