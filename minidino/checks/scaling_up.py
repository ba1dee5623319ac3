"""Checks of notebook 12: the loss in slices, foreach EMA, packed views, FLOPs of a step."""

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from minidino.checks.core import (
    Wrong,
    call,
    check,
    expect,
    expect_any_device,
    expect_close,
    expect_tensor,
)
from minidino.checks.head_and_loss import _counted, _lean_mistakes, _terms
from minidino.checks.teacher import flat, small_network
from minidino.config import TrainConfig, recipe
from minidino.trainer import Network
from minidino.vit import Block


class Operations(TorchDispatchMode):
    """What PyTorch is asked to do inside a ``with``: how often, and how many numbers it makes.

    ``largest`` is of one tensor; ``most`` of all tensors made and alive at a time.
    """

    def __init__(self):
        super().__init__()
        self.largest, self.alive, self.most, self.names = 0, 0, 0, []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        made = op(*args, **(kwargs or {}))
        self.names.append(op.overloadpacket.__name__)
        given = {id(t.untyped_storage()) for t in _tensors((args, kwargs))}
        for x in _tensors(made):
            if not x._is_view():
                self.largest = max(self.largest, x.numel())
            storage = x.untyped_storage()
            if id(storage) not in given:  # neither a view nor a result in place
                numbers = storage.nbytes() // x.element_size()
                self.alive += numbers
                weakref.finalize(storage, self._freed, numbers)
                given.add(id(storage))
        self.most = max(self.most, self.alive)
        return made

    def _freed(self, numbers: int) -> None:
        self.alive -= numbers


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


def _tensors(values: Any) -> list[Tensor]:
    return [x for x in tree_leaves(values) if isinstance(x, Tensor)]


# ---------------------------------------------------------------- 12.1


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
    plain = {m: v for m, v in _lean_mistakes(s, q).items() if "temperature" not in m}
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
        return _counted(_terms(q.double(), s.log_softmax(-1))).mean()

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
            "You took n_global for 2. It is len(q).": _counted(
                _terms(three[:2].double(), (x[:5].double() @ w.double().T / temp).log_softmax(-1))
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


# ---------------------------------------------------------------- 12.2


def many_layers() -> nn.Module:
    """24 layers, so that a loop over its tensors shows."""
    layers = [nn.Linear(3, 3) for _ in range(24)]
    return nn.Sequential(*layers, small_network())


@check("12.2", "one call for all tensors")
def check_12_2(foreach_ema):
    # By hand: 0.75 * 1 + 0.25 * 2 = 1.25.
    teacher, student = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(teacher.weight, 1.0)
    nn.init.constant_(student.weight, 2.0)
    teacher.requires_grad_(False)
    held, at = teacher.weight, teacher.weight.data_ptr()
    with Operations() as seen:
        foreach_ema(teacher, student, 0.75)
    now = teacher.weight
    expect(
        seen.names,
        "Your function does nothing to any tensor. The update is one call on two lists: Hint 1.",
    )
    in_place = (
        "You put a new tensor in the place of the teacher's. Write into the one that is there: the "
        "_foreach_ functions whose names end in _ do."
    )
    new_memory = (
        "You gave the teacher's tensors new memory (x.data = ...). Write into their own: whoever "
        "holds a view of it, or has its address, would go on with old numbers. The _foreach_ "
        "functions whose names end in _ write in place."
    )
    expect(now is held, in_place)
    expect(now.data_ptr() == at, new_memory)
    expect(
        not now.requires_grad,
        "The teacher's weights are now part of the student's graph, which grows with every step. "
        "Wrap the update in torch.no_grad().",
    )
    expect(
        student.weight.item() == 2.0,
        "You moved the student: student and teacher are reversed. The first list is the one that "
        "is written to.",
    )
    expect_close(
        now,
        torch.tensor([[1.25]]),
        {
            "Old and new are swapped: this gives the student three quarters. lerp's weight is the "
            "share of the *second* list, 1 - momentum.": torch.tensor([[1.75]]),
            "You copied the student; the momentum is not used.": torch.tensor([[2.0]]),
            "The student is not weighted, so the weights sum to more than 1 and the teacher grows. "
            "torch._foreach_add_(a, b, alpha=...) has its share.": torch.tensor([[2.75]]),
            "The old teacher is not weighted, so the weights sum to more than 1 and the teacher "
            "grows. torch._foreach_mul_(a, momentum) comes first.": torch.tensor([[1.5]]),
            "The teacher did not move. torch._foreach_lerp without a final _ makes new tensors and "
            "leaves the teacher's as they were.": torch.ones(1, 1),
            "The teacher only shrank; nothing of the student was added.": torch.tensor([[0.75]]),
            "You added the student first and weighted the sum: momentum * (teacher + share * "
            "student). Multiply first, then add.": torch.tensor([[0.75 * 1.5]]),
        },
        what="The teacher's weight after foreach_ema(1, 2, momentum 0.75)",
    )

    teacher, student = many_layers().requires_grad_(False), many_layers()
    student[-1][1].num_batches_tracked.fill_(7)
    student_before = flat([*student.parameters(), *student.buffers()])
    held = [*teacher.parameters(), *teacher.buffers()]
    places = [t.data_ptr() for t in held]
    buffers, news = ([b for b in m.buffers() if b.is_floating_point()] for m in (teacher, student))
    for momentum in (0.8, 0.3):
        old, new = flat(teacher.parameters()), flat(student.parameters())
        old_buffers, new_buffers = flat(buffers), flat(news)
        with Operations() as seen:
            foreach_ema(teacher, student, momentum)
        now = [*teacher.parameters(), *teacher.buffers()]
        expect(all(a is b for a, b in zip(now, held, strict=True)), in_place)
        expect([t.data_ptr() for t in now] == places, new_memory)
        expect_close(
            flat(teacher.parameters()),
            momentum * old + (1 - momentum) * new,
            what=f"All parameters of the teacher together (momentum {momentum})",
            tolerance=1e-5,
        )
        expect_close(
            flat(buffers),
            momentum * old_buffers + (1 - momentum) * new_buffers,
            {
                "You forgot the buffers. Running statistics are not parameters, but the teacher "
                "computes with them: put teacher.buffers() into the list too.": old_buffers,
                "You copied the student's floating-point buffers. Average them like the "
                "parameters, so that weights and statistics are of the same age.": new_buffers,
            },
            what="The teacher's floating-point buffers",
            tolerance=1e-5,
        )
    counter = teacher[-1][1].num_batches_tracked
    expect(
        counter.dtype == torch.int64 and counter.item() == 7,
        f"The counter num_batches_tracked is {counter.item()} ({counter.dtype}), the student's is "
        "7. A whole number has no meaningful average: copy it.",
    )
    expect(
        torch.equal(flat([*student.parameters(), *student.buffers()]), student_before),
        "You changed the student. Only the teacher is written to.",
    )
    calls = len([name for name in seen.names if name not in ("detach", "alias", "view")])
    tensors = len(list(teacher.parameters()))
    expect(
        calls < tensors / 2,
        f"The result is right, by a loop: {calls} operations for {tensors} parameters. Gather the "
        "tensors in two lists and hand both to torch._foreach_lerp_, one call for all.",
    )


# ---------------------------------------------------------------- 12.3


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def mean_block() -> Block:
    """A block whose attention is the plain mean over the tokens: x + mean(x)."""
    block = Block(2, num_heads=1, mlp_ratio=1.0, drop_path=0.0)
    block.norm1, block.norm2, block.mlp = nn.Identity(), nn.Identity(), Zero()
    with torch.no_grad():
        block.attn.qkv.weight.copy_(torch.cat([torch.zeros(4, 2), torch.eye(2)]))
        block.attn.qkv.bias.zero_()
        block.attn.proj.weight.copy_(torch.eye(2))
        block.attn.proj.bias.zero_()
    return block


INTO, BACK = "(b n) (qkv h d) -> qkv b h n d", "b h n d -> (b n) (h d)"


def _block(
    block: Block,
    x: Tensor,
    may: Tensor | None = None,
    skip: tuple[str, ...] = (),
    into: str = INTO,
    back: str = BACK,
    heads: int | None = None,
) -> Tensor:
    """A block in float64, written out: (b, n, D) -> (b, n, D).

    Args:
        may: which token may look at which.
        skip: parts left out.
        into, back: how rows become heads' queries, keys and values, and rows again, as einops
            says it; "reshape" is a reshape of each to (b, h, n, d), or back, moving nothing.
    """
    heads, (b, n, dim) = heads or block.attn.num_heads, x.shape

    def linear(x: Tensor, layer: nn.Linear) -> Tensor:
        return x @ layer.weight.double().T + layer.bias.double()

    def norm(x: Tensor, layer: nn.LayerNorm, name: str) -> Tensor:
        if name in skip:
            return x
        weight, bias = layer.weight.double(), layer.bias.double()
        return F.layer_norm(x, (dim,), weight, bias, layer.eps)

    rows = linear(norm(x, block.norm1, "norm1"), block.attn.qkv).flatten(0, 1)
    if into == "reshape":
        q, k, v = (p.reshape(b, heads, n, -1) for p in rows.chunk(3, dim=-1))
    else:
        q, k, v = rearrange(rows, into, b=b, qkv=3, h=heads)
    scores = q @ k.mT * (1.0 if "scale" in skip else (dim // heads) ** -0.5)
    if may is not None:
        scores = scores.masked_fill(~may, -math.inf)
    out = scores.softmax(-1) @ v
    out = (out if back == "reshape" else rearrange(out, back)).reshape(b, n, dim)
    out = out if "proj" in skip else linear(out, block.attn.proj)
    x = out + (0 if "residual1" in skip else x)
    if "mlp" in skip:
        return x
    hidden = F.gelu(linear(norm(x, block.norm2, "norm2"), block.mlp.fc1))
    return linear(hidden, block.mlp.fc2) + (0 if "residual2" in skip else x)


def _packed(sequences: list[Tensor]) -> Tensor:
    return torch.cat([s.double().flatten(0, 1) for s in sequences])


ALL_TOGETHER = (
    "Tokens attend across images: your attention runs over all packed tokens at once. Only "
    "the linear layers, norms and MLP may be packed; attention belongs to one image."
)
NUMBERS_REPEAT = (
    "Image i of one size attends to image i of another: your mask numbers the images of each size "
    "from 0. Number them on, from the first size to the last."
)
ONE_SIZE = (
    "Sizes are kept apart, but not the images within one size: their tokens attend to each "
    "other. Give the batch its dimension back before attention, (b, heads, n, d)."
)
OVER_IMAGES = (
    "Attention runs over the images: token j of an image attends to token j of the others. The "
    "tokens belong in the last dimension but one, (b, heads, n, d)."
)
OVER_HEADS = (
    "Attention runs over the heads: each token attends to itself alone, one head to another. The "
    "tokens belong in the last dimension but one, (b, heads, n, d)."
)
LAYOUTS = {  # what is wrong -> how q, k, v are taken from the rows, and how they come back
    OVER_HEADS: ("(b n) (qkv h d) -> qkv b n h d", "b n h d -> (b n) (h d)"),
    OVER_IMAGES: ("(b n) (qkv h d) -> qkv n h b d", "n h b d -> (b n) (h d)"),
    "A row of qkv is taken apart in the wrong order: it is all queries, then all keys, then all "
    "values, (qkv h d), not q, k and v head by head, (h qkv d).": (
        "(b n) (h qkv d) -> qkv b h n d",
        BACK,
    ),
    "Heads and their numbers are swapped in q, k and v: a row is head after head, (qkv h d), not "
    "(qkv d h).": ("(b n) (qkv d h) -> qkv b h n d", BACK),
    "Heads and their numbers are swapped on the way back: a row is head after head, (h d), not "
    "(d h).": (INTO, "b h n d -> (b n) (d h)"),
    "Heads and their numbers are swapped, on the way into attention and back: a row is head after "
    "head, (h d), not (d h).": (
        "(b n) (qkv d h) -> qkv b h n d",
        "b h n d -> (b n) (d h)",
    ),
    "Batch and tokens are swapped on the way into attention: the rows are image after image, "
    "(b n), not (n b).": ("(n b) (qkv h d) -> qkv b h n d", BACK),
    "Batch and tokens are swapped on the way back: the rows are image after image, (b n), not "
    "(n b).": (INTO, "b h n d -> (n b) (h d)"),
    "A plain reshape on the way back after attention mixes heads and tokens: heads stand before "
    "tokens there, (b, h, n, d). Move them behind first: b h n d -> (b n) (h d).": (
        INTO,
        "reshape",
    ),
    "A plain reshape to (b, heads, n, d) mixes heads and tokens: in a row of qkv the heads stand "
    "behind the tokens. Reshape to (b, n, heads, d), then transpose.": ("reshape", BACK),
    "Plain reshapes on the way into attention and back mix heads and tokens. In the rows heads "
    "stand behind tokens, in attention before them: they have to be moved.": (
        "reshape",
        "reshape",
    ),
}


def _packing_mistakes(block: Block, sequences: list[Tensor]) -> dict[str, Tensor]:
    """Results of known mistakes, each as one packed (tokens, D)."""
    wide = [s.double() for s in sequences]
    shapes = [s.shape[:2] for s in sequences]
    together = _packed(sequences)[None]
    numbers = [torch.arange(b * n) // n for b, n in shapes]  # of images, from 0 for each size
    image = torch.cat([number + 1000 * i for i, number in enumerate(numbers)])
    same = image[:, None] == image
    repeated = torch.cat(numbers)

    def each(what: Callable[[Tensor], Tensor]) -> Tensor:
        return _packed([what(s) for s in wide])

    def regrouped(s: Tensor) -> Tensor:
        """Token i of every image taken for a sequence."""
        b, n, d = s.shape
        return _block(block, s.reshape(n, b, d).transpose(0, 1)).transpose(0, 1).reshape(b, n, d)

    longest = max(n for _, n in shapes)
    padded = [_block(block, F.pad(s, (0, 0, 0, longest - s.shape[1]))) for s in wide]
    unpadded = [p[:, : s.shape[1]] for p, s in zip(padded, wide, strict=True)]
    causal = torch.ones(longest, longest).tril().bool()
    mistakes = {
        ALL_TOGETHER: _block(block, together)[0],
        ONE_SIZE: each(lambda s: _block(block, s.flatten(0, 1)[None]).view_as(s)),
        NUMBERS_REPEAT: _block(block, together, repeated[:, None] == repeated)[0],
        "Your mask is inverted: tokens attend to every image but their own. In "
        "scaled_dot_product_attention True means *may* attend.": _block(block, together, ~same)[0],
        "A sequence is made of one token of every image: batch and tokens are swapped in a "
        "reshape. The rows are image after image: (b n), not (n b).": each(regrouped),
        "Padding is attended to: the shorter sequences were filled up with zeros, and the zeros "
        "take a share of the softmax. Pack without padding, or mask the keys.": _packed(unpadded),
        "Every token sees only the tokens before it (is_causal, or a triangle of a mask). In a "
        "ViT all tokens of an image see each other.": each(
            lambda s: _block(block, s, causal[: s.shape[1], : s.shape[1]])
        ),
        "The heads are ignored: attention has one head of the whole width. Each of the "
        f"{block.attn.num_heads} has its own softmax; take block.attn.num_heads.": each(
            lambda s: _block(block, s, heads=1)
        ),
        "The scores are not scaled by 1/sqrt(head dim).": each(
            lambda s: _block(block, s, skip=("scale",))
        ),
        "The MLP is missing: a block is x + attention(norm1(x)), then x + mlp(norm2(x)).": each(
            lambda s: _block(block, s, skip=("mlp",))
        ),
    }
    for part, name in {
        "norm1": "norm1 is missing in front of the attention.",
        "norm2": "norm2 is missing in front of the MLP.",
        "residual1": "The first residual is missing: x + attention(norm1(x)).",
        "residual2": "The second residual is missing: x + mlp(norm2(x)).",
        "proj": "attn.proj is missing: what the heads gathered goes through it before it is added.",
    }.items():
        mistakes[name] = each(lambda s, part=part: _block(block, s, skip=(part,)))
    for name, (into, back) in LAYOUTS.items():
        mistakes[name] = each(lambda s, i=into, o=back: _block(block, s, into=i, back=o))
    return mistakes


def _expect_unchanged(sequences: list[Tensor], before: list[Tensor]) -> None:
    expect(
        all(torch.equal(a, b) for a, b in zip(before, sequences, strict=True)),
        "Your function changes the sequences it was given; the caller still needs them.",
    )


def _expect_sequences(got: Any, sequences: list[Tensor]) -> None:
    expect(
        isinstance(got, list | tuple),
        f"Return a list of sequences, one for each that was given; yours is a "
        f"{type(got).__name__}.",
    )
    expect(
        len(got) == len(sequences),
        f"You return {len(got)} sequences for {len(sequences)}. Does your function take any "
        "number of sizes?",
    )
    shapes, want = [tuple(g.shape) for g in got], [tuple(s.shape) for s in sequences]
    expect(
        shapes == want or shapes != want[::-1],
        "The sequences come back in the wrong order: split the packed tokens in the order in "
        "which they were packed.",
    )
    expect(
        any(s[-2:-1] != (w[1] - 1,) for s, w in zip(shapes, want, strict=True)),
        f"A token of each image is missing: {shapes}, expected {want}. The [CLS] token is packed "
        "like any other.",
    )
    for g, s in zip(got, sequences, strict=True):
        expect_tensor(g, s.shape, "(b, n, D)", what="A sequence that comes back")


@check("12.3", "two resolutions in one sequence")
@torch.no_grad()
def check_12_3(packed_block):
    # By hand: x + the mean over the tokens of its own image, (2, 0), (0, 4) and (6, 0).
    block = mean_block()
    sequences = [torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]), torch.tensor([[[0.0, 4.0]], [[6.0, 0]]])]
    before = [s.clone() for s in sequences]
    got = call(packed_block, block, sequences)
    _expect_unchanged(sequences, before)
    _expect_sequences(got, sequences)
    expect_close(
        _packed(list(got)),
        torch.tensor([[3.0, 0], [5, 0], [0, 8], [12, 0]]),
        _mean_mistakes(),
        what="With a block that adds the mean over an image's tokens, the packed result",
    )

    block = Block(12, num_heads=3, mlp_ratio=2.0, drop_path=0.0)
    for p in block.parameters():
        p.normal_(std=0.6)
    sequences = [torch.randn(2, 5, 12), torch.randn(4, 3, 12)]
    before = [s.clone() for s in sequences]
    rows, hooks = _count_rows(block)
    got = call(packed_block, block, sequences)
    for hook in hooks:
        hook.remove()
    _expect_unchanged(sequences, before)
    _expect_sequences(got, sequences)
    want = _packed([_block(block, s.double()) for s in sequences])
    mistakes = _packing_mistakes(block, sequences)
    expect_close(_packed(list(got)), want, mistakes, what="The packed result of two sizes")
    tokens = len(want)
    for name, seen in rows.items():
        expect(
            len(seen) <= 1,
            f"The result is right, but {name} is called {len(seen)} times, once for each size. "
            "Pack first: one call on all tokens together is what makes the matrices large.",
        )
        expect(
            not seen or seen[0] <= tokens,
            f"The result is right, but {name} sees {sum(seen)} tokens of which {tokens} are real: "
            "the rest is padding, and it costs as much as they do. Pack the tokens in one "
            "(tokens, D) tensor; then none is needed.",
        )
    for sizes in ([(3, 4)], [(1, 2), (2, 6), (3, 1)], [(4, 3), (2, 3)]):
        sequences = [torch.randn(b, n, 12) for b, n in sizes]
        got = call(packed_block, block, sequences)
        _expect_sequences(got, sequences)
        want = _packed([_block(block, s.double()) for s in sequences])
        what = f"For sequences of the sizes {sizes}, the packed result"
        expect_close(_packed(list(got)), want, _packing_mistakes(block, sequences), what=what)
    _gradients_of_the_packed_block(packed_block, block)
    expect_any_device(lambda a, b: packed_block(block.to(a.device), [a, b])[0], *before)


def _mean_mistakes() -> dict[str, Tensor]:
    x = torch.tensor([[1.0, 0], [3, 0], [0, 4], [6, 0]])

    def mean_over(*seen: tuple[int, ...]) -> Tensor:
        """The result where token i attends to the tokens seen[i]."""
        return x + torch.stack([x[list(tokens)].mean(0) for tokens in seen])

    every = (0, 1, 2, 3)
    return {
        ALL_TOGETHER: mean_over(every, every, every, every),
        NUMBERS_REPEAT: mean_over((0, 1, 2), (0, 1, 2), (0, 1, 2), (3,)),
        ONE_SIZE: mean_over((0, 1), (0, 1), (2, 3), (2, 3)),
        OVER_IMAGES: mean_over((0,), (1,), (2, 3), (2, 3)),
        OVER_HEADS: mean_over((0,), (1,), (2,), (3,)),
        "The first residual is missing: x + attention(norm1(x)).": torch.tensor(
            [[2.0, 0], [2, 0], [0, 4], [6, 0]]
        ),
        "The second residual is missing: x + mlp(norm2(x)).": torch.zeros(4, 2),
        "Every token sees only the tokens before it (is_causal, or a triangle of a mask). In a "
        "ViT all tokens of an image see each other.": mean_over((0,), (0, 1), (2,), (3,)),
        "The attention is missing.": x,
        "Padding is attended to: the shorter sequences were filled up with zeros, and the zeros "
        "take a share of the softmax. Pack without padding, or mask the keys.": torch.tensor(
            [[3.0, 0], [5, 0], [0, 6], [9, 0]]
        ),
        "Your mask is inverted: tokens attend to every image but their own. In "
        "scaled_dot_product_attention True means *may* attend.": mean_over(
            (2, 3), (2, 3), (0, 1, 3), (0, 1, 2)
        ),
    }


def _count_rows(block: Block) -> tuple[dict[str, list[int]], list]:
    """How many rows each layer of the block is given, call by call."""
    layers = {
        "norm1": block.norm1,
        "attn.qkv": block.attn.qkv,
        "attn.proj": block.attn.proj,
        "norm2": block.norm2,
        "mlp.fc1": block.mlp.fc1,
        "mlp.fc2": block.mlp.fc2,
    }
    rows: dict[str, list[int]] = {name: [] for name in layers}

    def counting(name: str) -> Callable:
        return lambda _, given: rows[name].append(given[0].numel() // given[0].shape[-1])

    hooks = [layer.register_forward_pre_hook(counting(n)) for n, layer in layers.items()]
    return rows, hooks


@torch.enable_grad()
def _gradients_of_the_packed_block(packed_block: Callable, block: Block) -> None:
    sequences = [torch.randn(2, 5, 12), torch.randn(4, 3, 12)]
    sources = [s.clone().requires_grad_() for s in sequences]
    packed = sum(g.square().sum() for g in packed_block(block, sources))
    expect(
        packed.requires_grad,
        "No gradient flows back through your function. Is there a no_grad or a detach in it?",
    )
    block.zero_grad()
    packed.backward()
    mine = [p.grad for p in block.parameters()] + [s.grad for s in sources]
    apart = [s.clone().requires_grad_() for s in sequences]
    block.zero_grad()
    sum(_block(block, s.double()).square().sum() for s in apart).backward()
    want = [p.grad for p in block.parameters()] + [s.grad for s in apart]
    names = [n for n, _ in block.named_parameters()] + ["sequence 0", "sequence 1"]
    for name, m, w in zip(names, mine, want, strict=True):
        expect(m is not None, f"No gradient reaches {name}.")
        expect_close(m, w, what=f"The value is right; the gradient for {name}", tolerance=1e-3)
    block.zero_grad()


# ---------------------------------------------------------------- 12.4


def _counted_flops(config: TrainConfig) -> tuple[int, int]:
    """FLOPs of one image's step as PyTorch's own counter sees them.

    Returns:
        as counted, and with the student's patch projection three times like the rest: images
        need no gradient, so its backward pass is one product only.
    """
    network = Network(config)
    views = [
        torch.zeros(n, 3, size, size)
        for n, size in ((2, config.global_size), (config.n_local, config.local_size))
    ]
    # The counter knows matrix products; the fused attention of a CPU is not among them.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            network(views[0])
        network(*(v for v in views if len(v))).sum().backward()
    patches = sum(v.numel() // (3 * config.patch_size**2) for v in views)
    projection = 2 * patches * 3 * config.patch_size**2 * config.embed_dim
    total = counter.get_total_flops()
    return total, total + projection


def _flops(
    c: TrainConfig,
    *,
    multiply_add: int = 2,
    teacher: float = 1,
    student: float = 3,
    teacher_views: str = "global",
    n_local: int | None = None,
    local_size: int | None = None,
    cls: int = 1,
    depth: int | None = None,
    qkv: int = 3,
    proj: int = 1,
    attention: float = 2,
    heads_in_block: int = 1,
    mlp: float = 2,
    patch: float = 1,
    patch_cls: int = 0,
    more_blocks: int = 0,
    head: bool = True,
    head_layers: tuple[int, int, int] = (1, 1, 1),
    prototypes: bool = True,
    head_rows: str = "views",
    last: str = "cls",
) -> int:
    """The formula with every factor open, for telling mistakes apart."""
    d, p = c.embed_dim, c.patch_size
    depth = c.depth if depth is None else depth
    n_local = c.n_local if n_local is None else n_local
    local_size = c.local_size if local_size is None else local_size

    def forward(size: int) -> float:
        patches = (size // p) ** 2
        n = patches + cls
        token = d * d * (qkv + proj + 4 * mlp)  # through the layers of one block
        block = n * token + attention * heads_in_block * n * n * d
        of_last = {
            "cls": token + attention * c.num_heads * n * d,
            "full": block,
            "missing": 0,
            "keys and values": token + (n - 1) * d * d * (qkv - 1) + attention * n * d,
            "keys, values, heads": token
            + (n - 1) * d * d * (qkv - 1)
            + attention * c.num_heads * n * d,
            "all of qkv": token + (n - 1) * d * d * qkv + attention * n * d,
            "no attention": token,
            "k and v twice": token + 2 * d * d + attention * c.num_heads * n * d,
            "no k and v": token - 2 * d * d + attention * c.num_heads * n * d,
            "all queries": token + attention * n * n * d,
            "narrow": token + attention * n * d,
            "one token": token + attention * d,
        }[last]
        rows = n if head_rows == "tokens" else 1
        scores = c.bottleneck_dim * c.out_dim if prototypes else 0
        widths = (d, c.hidden_dim, c.bottleneck_dim)  # of the layers' other sides
        mlp_of_head = c.hidden_dim * sum(a * b for a, b in zip(head_layers, widths, strict=True))
        of_head = rows * (mlp_of_head + scores) if head else 0
        blocks = (depth - 1 + more_blocks) * block + of_last if depth else 0
        return (patches + patch_cls) * 3 * p * p * d * patch + blocks + of_head

    seen = 2 * forward(c.global_size)
    every = seen + n_local * forward(local_size)
    of_teacher = every if teacher_views == "all" else seen
    return round(multiply_add * (teacher * of_teacher + student * every))


def _flop_mistakes(c: TrainConfig, last: str = "cls") -> dict[str, float]:
    """What is wrong -> the number it gives, with the last block counted in this way throughout."""

    def flops(**changes) -> int:
        return _flops(c, **({"last": last} | changes))

    return {
        "This is half of it: a multiply-add is two operations. Each product of (m, k) and (k, n) "
        "is 2 m k n.": flops(multiply_add=1),
        "The backward pass is missing. It computes two products for each of the forward pass, one "
        "for the inputs' and one for the weights' gradient: the student counts three times.": (
            flops(student=1)
        ),
        "The backward pass counts once in your estimate. It has two products for each of the "
        "forward pass, so the student counts three times in all.": flops(student=2),
        "The teacher counts three times in your estimate. It has no backward pass: once.": flops(
            teacher=3
        ),
        "The teacher is missing: a forward pass over the two global views.": flops(teacher=0),
        "The teacher sees all views in your estimate. It is given the global ones only.": flops(
            teacher_views="all"
        ),
        "The teacher sees all views in your estimate, and with a backward pass. It is given the "
        "global ones only, and never learns by gradients.": flops(teacher=3, teacher_views="all"),
        "The two products of the attention are missing: queries with keys, and weights with "
        "values, 2 N^2 D multiply-adds a block.": flops(attention=0),
        "You counted one product of the attention. There are two: queries with keys, and weights "
        "with values.": flops(attention=1),
        "The attention's products are multiplied by the number of heads, in the blocks before the "
        "last. Each head has D / heads of the width there: N^2 D each for all of them.": flops(
            heads_in_block=c.num_heads
        ),
        "The local views are missing; the student sees them too.": flops(n_local=0),
        f"Only one local view is counted; there are {c.n_local}.": flops(n_local=1),
        "The local views are counted at the global size. They are smaller: fewer patches.": flops(
            local_size=c.global_size
        ),
        "The [CLS] token is missing: a view has 1 + patches tokens.": flops(cls=0),
        "[CLS] is counted in the patch projection. It is learned, not projected: there are as many "
        "products there as patches, N - 1.": flops(patch_cls=1),
        "Only the last block is counted; there are config.depth.": flops(depth=1),
        "You counted config.depth blocks in full and the last one on top. It is one of them: "
        "depth - 1 in full.": flops(more_blocks=1),
        "The last block is counted in full. What it makes of the patches nobody reads: its layers "
        "are computed for [CLS] alone, one token.": flops(last="full"),
        "The last block is missing. It is cheaper than the others, not free: its layers for one "
        "token, [CLS], and its attention's two products, N D for each head.": flops(last="missing"),
        "In the last block you counted keys and values of all tokens. None is made there: W_k "
        "meets [CLS]'s query, and W_v what each head has seen: D^2 each.": flops(
            last="keys and values"
        ),
        "In the last block you counted qkv for all tokens. It is computed for one, like all of "
        "that block's layers: 3 D^2, whatever N is.": flops(last="all of qkv"),
        "In the last block the attention's products are counted for N queries. There is one, that "
        "of [CLS]: N D for each head.": flops(last="all queries"),
        "In the last block the attention's products are N D each in your estimate, for all heads "
        "together. There W_k^T q and what a head has seen are D numbers wide, not D / heads: N D "
        "each for each head.": flops(last="narrow"),
        "In the last block you counted keys and values of all tokens, and the wide queries that "
        "make them needless as well. W_k and W_v meet one vector a head.": flops(
            last="keys, values, heads"
        ),
        "In the last block the attention's two products are missing: N D each for each head.": (
            flops(last="no attention")
        ),
        "In the last block W_k and W_v are counted twice. That they change sides is no product "
        "more: they are within the 12 D^2.": flops(last="k and v twice"),
        "In the last block W_k and W_v are missing. They meet one vector a head: D^2 each.": flops(
            last="no k and v"
        ),
        "In the last block [CLS] is counted as if it were alone. It still looks at all tokens: "
        "N D for each head and each product of the attention.": flops(last="one token"),
        "The blocks are missing.": flops(depth=0),
        "qkv is counted as one D x D matrix. It makes three vectors of width D from each token: "
        "D x 3D.": flops(qkv=1),
        "The attention's output projection is missing, D x D for each token.": flops(proj=0),
        "The blocks' MLP is missing, twice D x 4D for each token.": flops(mlp=0),
        "Of the blocks' MLP one layer is counted. There are two, D x 4D and 4D x D.": flops(mlp=1),
        "The blocks' MLP is counted with a hidden width of D; it is 4 D.": flops(mlp=0.5),
        "The patch projection is missing: 3 p^2 numbers to D, for each patch.": flops(patch=0),
        "The patch projection has one colour in your estimate; a patch is 3 p^2 numbers.": flops(
            patch=1 / 3
        ),
        "The head is missing: three linear layers and the prototypes, for each view.": flops(
            head=False
        ),
        "The head's first layer is missing, D x hidden.": flops(head_layers=(0, 1, 1)),
        "The head's second layer is missing, hidden x hidden.": flops(head_layers=(1, 0, 1)),
        "The head's third layer is missing, hidden x bottleneck.": flops(head_layers=(1, 1, 0)),
        "The prototypes are missing: bottleneck x K for each view.": flops(prototypes=False),
        "The head is counted for every token. Only [CLS] goes through it, a row a view.": flops(
            head_rows="tokens"
        ),
        "This is of a whole batch; the question is for one image.": flops() * c.batch_size,
    }


@check("12.4", "the FLOPs of a step")
def check_12_4(step_flops):
    things = recipe("things")
    one_block = replace(things, depth=2, num_heads=4, out_dim=64, hidden_dim=48, n_local=3)
    wide = replace(one_block, global_size=54, local_size=24, bottleneck_dim=32, batch_size=16)
    # These come first: in networks of real widths each mistake has a number of its own.
    for config in (things, one_block, wide):
        exact, even = _counted_flops(config)
        got = call(step_flops, config)
        expect(
            isinstance(got, int | float) and not isinstance(got, bool),
            f"The result should be a plain number; yours is a {type(got).__name__}.",
        )
        _expect_flops(got, even, exact, config)
    # By hand: patches of one pixel, D = 1, one block, one head, all widths of the head 1, K = 3.
    # Multiply-adds of a view's forward pass. The block is the last, with one token in its layers,
    # 3 (qkv) + 1 (projection) + 8 (MLP), and 2 N of attention:
    # global, 2 x 2 px, 5 tokens: patches 4 * 3, block 12 + 2 * 5, head 3 + 3: 40;
    # local, 1 px, 2 tokens: patches 3, block 12 + 2 * 2, head 3 + 3: 25.
    # The student sees two of each, three times over; the teacher two global ones.
    by_hand = 2 * (3 * (2 * 40 + 2 * 25) + 2 * 40)
    of_images = 2 * 3 * (2 * 4 + 2 * 1)  # the gradient for the pixels, which nobody needs
    small = TrainConfig(
        image_size=2, eval_size=2, patch_size=1, embed_dim=1, depth=1, num_heads=1, out_dim=3,
        hidden_dim=1, bottleneck_dim=1, global_size=2, local_size=1, n_local=2,
    )  # fmt: skip
    _expect_flops(call(step_flops, small), by_hand, by_hand - of_images, small)


def _expect_flops(got: float, want: int, also: int, config: TrainConfig) -> None:
    """``got`` is ``want``, or ``also``; both are right."""
    if got in (want, also):
        return
    for message, value in _flop_mistakes(config).items():
        if value != want and abs(got - value) <= 1e-6 * value:
            raise Wrong(message)
    for message, value in _flop_mistakes(config, last="full").items():
        if abs(got - value) <= 1e-6 * value:
            raise Wrong(f"{message} And the last block is counted in full; see the text above.")
    raise Wrong(
        f"For a ViT of width {config.embed_dim} with {config.depth} block(s), 2 views of "
        f"{config.global_size} px, {config.n_local} of {config.local_size} px, patches of "
        f"{config.patch_size} px, and K = {config.out_dim}: you count {got:,.0f} operations an "
        f"image, that is {got / want:.3f} times the {want:,} that there are."
    )
