"""Exercise 5.1, the moving average of the weights: tells apart averages that are weighted wrongly,
with an old or constant momentum, leave out buffers, make new tensors or move the student.
"""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import check, expect, flat
from minidino.checks.mistakes import AVERAGE, Table, with_piece


class Network(nn.Module):
    """Tensors of every kind: of one number, tied, frozen, not saved, float64, whole, truth."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(()))
        self.token = nn.Parameter(torch.randn(1, 3))
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.last, self.twin = nn.Linear(4, 2), nn.Linear(4, 2)
        self.twin.weight = self.last.weight
        self.body(torch.randn(16, 3) + 2)
        for p in self.parameters():
            nn.init.normal_(p)
        self.register_buffer("center", torch.randn(1, 2, dtype=torch.float64))
        self.register_buffer("level", torch.randn(()))
        self.register_buffer("unsaved", torch.randn(2), persistent=False)
        self.register_buffer("count", torch.randint(20, 90, ()))
        self.register_buffer("mask", torch.rand(5) > 0.5)


def _average(old: Tensor, new: Tensor, momentum: float) -> Tensor:
    return momentum * old + (1 - momentum) * new


def _old(old: Tensor, new: Tensor, momentum: float) -> Tensor:
    return old


def _new(old: Tensor, new: Tensor, momentum: float) -> Tensor:
    return new


Named = dict[str, Tensor]


def _parts(network: nn.Module) -> tuple[Named, Named, Named]:
    """Parameters, buffers of floats, buffers of whole numbers and truth."""
    buffers = dict(network.named_buffers())
    whole = {n: b for n, b in buffers.items() if not b.is_floating_point()}
    return (
        dict(network.named_parameters()),
        {n: buffers[n] for n in buffers if n not in whole},
        whole,
    )


def _ema(
    parameter: Callable = _average, buffer: Callable = _average, whole: Callable = _new, **only
) -> Callable:
    """(teacher, student, momentum) -> (parameters, float buffers, whole buffers), each flat.

    Each rule is (old, new, momentum) -> value; ``of`` names the tensors whose rule is ``rule``.
    """
    of, rule = only.get("of"), only.get("rule")

    def average(teacher: nn.Module, student: nn.Module, momentum: float) -> tuple:
        found = []
        for rules, ours, theirs in zip(
            (parameter, buffer, whole), _parts(teacher), _parts(student), strict=True
        ):
            values = []
            for name, old in ours.items():
                this = rule if of and of(name, old) else rules
                value = this(old.detach().double(), theirs[name].detach().double(), momentum)
                values.append(value != 0 if old.dtype == torch.bool else value)
            found.append(
                flat(v.expand(o.shape) for v, o in zip(values, ours.values(), strict=True))
            )
        return tuple(found)

    return average


KINDS: dict[str, Callable[[str, Tensor], bool]] = {
    "tensors of one number (0 dimensions), parameters and buffers": lambda n, t: (
        t.ndim == 0 and t.is_floating_point()
    ),
    "parameters of one number (0 dimensions)": lambda n, t: n == "scale",
    "parameters of one dimension, such as biases": lambda n, t: (
        isinstance(t, nn.Parameter) and t.ndim == 1
    ),
    "parameters of fewer than two dimensions, such as biases": lambda n, t: (
        isinstance(t, nn.Parameter) and t.ndim < 2
    ),
    "parameters that are called bias": lambda n, t: n.endswith("bias"),
    "parameters of two dimensions": lambda n, t: isinstance(t, nn.Parameter) and t.ndim == 2,
    "parameters that are called weight": lambda n, t: n.endswith("weight"),
    "parameters that belong to the network itself and not to a layer in it": (
        lambda n, t: n in ("scale", "token")
    ),
    "parameters and buffers that belong to the network itself and not to a layer in it": (
        lambda n, t: "." not in n and t.is_floating_point()
    ),
    "parameters of layers within layers": lambda n, t: n.startswith("body") and "run" not in n,
    "parameters of the batch norm": lambda n, t: n in ("body.1.weight", "body.1.bias"),
    "the parameter of the student that is frozen": lambda n, t: n == "last.bias",
    "all parameters but the first": lambda n, t: isinstance(t, nn.Parameter) and n != "scale",
    "the last parameter": lambda n, t: n == "twin.bias",
    "all parameters but the last": lambda n, t: isinstance(t, nn.Parameter) and n != "twin.bias",
    "the weight that two layers share": lambda n, t: n == "last.weight",
    "buffers of one number (0 dimensions)": lambda n, t: n == "level",
    "buffers that are not saved (persistent=False), which state_dict() does not have": (
        lambda n, t: n == "unsaved"
    ),
    "buffers that belong to the network itself": lambda n, t: n in ("center", "level", "unsaved"),
    "floating-point tensors that are not of float32 (ask t.is_floating_point())": lambda n, t: (
        n == "center"
    ),
    "buffers of layers, the running statistics": lambda n, t: "running" in n,
    "the running variance": lambda n, t: n.endswith("var"),
    "all buffers but the first": lambda n, t: (
        not isinstance(t, nn.Parameter) and t.is_floating_point() and n != "center"
    ),
}
LAYERS = {
    (): "You go from layer to layer: what belongs to the network itself is left out, and a weight "
    "that two layers share is averaged twice. teacher.parameters() has all, each once.",
    ("body.1",): "You go through the nn.Linear layers alone; teacher.parameters() has all.",
}
MOVED = {
    "You returned the new value": "You copied the student; the momentum is not used. The teacher "
    "moves a little: momentum * teacher + (1 - momentum) * student.",
    "It did not move": "The teacher did not move: nothing is written into its parameters. `t = ` "
    "only gives a name to a new tensor; t.copy_(...), t.mul_(...), t.lerp_(...) write into the old "
    "one.",
    "The new value is not weighted": "The student is not weighted, so the two weights sum to more "
    "than 1 and the teacher grows with every step. It gets 1 - momentum.",
    "The old value is not weighted": "The old teacher is not weighted, so the two weights sum to "
    "more than 1 and the teacher grows with every step. It keeps the share momentum.",
    "Old and new are swapped": "Old and new are swapped: a momentum of 0.8 keeps four fifths of "
    "the *teacher*.",
}
FLOATS = {
    "It did not move": "You forgot the buffers. Running statistics are not parameters, but the "
    "teacher computes with them: average teacher.buffers() too.",
    "You returned the new value": "You copied the student's floating-point buffers. Average them "
    "like the parameters, so that weights and statistics are of the same age.",
}


def _stored(value: Tensor) -> Tensor:
    """As a buffer of whole numbers or of truth keeps it: cut, or true if it is not 0."""
    return value.float().trunc() if value.max() > 1 else value.ceil()


COUNTERS: Table = {
    "Whole numbers, such as the counter num_batches_tracked, keep the teacher's old value. They "
    "have no meaningful average: copy the student's.": _old,
    "Whole numbers, such as the counter num_batches_tracked, are averaged and cut. They have no "
    "meaningful average: copy the student's.": lambda o, n, m: _average(o, n, m).float().trunc(),
    "Whole numbers, such as the counter num_batches_tracked, are averaged and stored, which cuts "
    "them. They have no meaningful average: copy the student's.": (
        lambda o, n, m: _stored(_average(o, n, m))
    ),
    "Whole numbers, such as the counter num_batches_tracked, are averaged, each part cut. They "
    "have no meaningful average: copy the student's.": (
        lambda o, n, m: (m * o).float().trunc() + ((1 - m) * n).float().trunc()
    ),
    "Whole numbers, such as the counter num_batches_tracked, are averaged and rounded. They have "
    "no meaningful average: copy the student's.": lambda o, n, m: _average(o, n, m).round(),
    "Whole numbers, such as the counter num_batches_tracked, are averaged. They have no meaningful "
    "average: copy the student's.": _average,
    "The student's whole numbers are added to the teacher's. Copy them.": lambda o, n, m: o + n,
    "The teacher's whole numbers become 0. Copy the student's.": lambda o, n, m: 0 * o,
}


def _of_layers(left_out: tuple[str, ...]) -> Callable:
    """The layers' parameters, one layer after the other, and no buffers."""

    def rule(teacher: nn.Module, student: nn.Module, momentum: float) -> tuple:
        def value(name: str, old: Tensor, new: Tensor) -> Tensor:
            if "." not in name or name.startswith(left_out):
                return old
            once = _average(old, new, momentum)
            return _average(once, new, momentum) if name == "last.weight" else once

        ours, theirs = dict(teacher.named_parameters()), dict(student.named_parameters())
        moved = [value(n, t.double(), theirs[n].detach().double()) for n, t in ours.items()]
        return flat(moved), *_ema(buffer=_old, whole=_old)(teacher, student, momentum)[1:]

    return rule


def _level_by_level(teacher: nn.Module, student: nn.Module, momentum: float) -> tuple:
    """Each parameter and floating-point buffer as often as modules() hold it."""
    teacher = copy.deepcopy(teacher)
    with torch.no_grad():
        for ours, theirs in zip(teacher.modules(), student.modules(), strict=True):
            for kind in ("parameters", "buffers"):
                for t, s in zip(getattr(ours, kind)(), getattr(theirs, kind)(), strict=True):
                    t.copy_(_average(t, s, momentum) if t.is_floating_point() else s)
    return _numbers(_parts(teacher))


def _told(message: str, words: dict[str, str], prefix: str = "") -> str:
    return next((w for start, w in words.items() if message.startswith(start)), prefix + message)


def _mistakes() -> Table:
    others: Table = {
        "Signs: t + (1 - momentum) * (t - s) moves away from the student. The difference is (s - "
        "t).": lambda o, n, m: o + (1 - m) * (o - n),
        "The teacher follows the *mean* of each of the student's tensors. Each number has its own "
        "average.": lambda o, n, m: _average(o, n.mean(), m),
        "All parameters were averaged twice, or with the momentum squared.": lambda o, n, m: (
            _average(_average(o, n, m), n, m)
        ),
        "1 - momentum is squared, or used twice: the teacher moves too little.": (
            lambda o, n, m: o + (1 - m) ** 2 * (n - o)
        ),
        "The average is *added* to the teacher's old value (add_ where copy_ belongs).": (
            lambda o, n, m: o + _average(o, n, m)
        ),
        "The teacher's old value is missing: it is t + (1 - momentum) * (s - t).": (
            lambda o, n, m: (1 - m) * (n - o)
        ),
    }
    # Of a wrong part the first that agrees is named: what concerns buffers alone comes first.
    found: Table = {
        _told(message, FLOATS, "Of the buffers: "): _ema(buffer=piece)
        for message, piece in AVERAGE.items()
    }
    found |= with_piece(lambda rule: _ema(whole=rule), COUNTERS)
    shared = "the weight that two layers share"
    found[
        "The weight that two layers share is averaged twice: state_dict(), and a walk through "
        "modules(), meet it under both names, teacher.parameters() once."
    ] = _ema(of=KINDS[shared], rule=lambda o, n, m: _average(_average(o, n, m), n, m))
    found[
        "You go through modules() and average all of each one's parameters(): those of a layer "
        "inside another come again with every module around it. teacher.parameters() has all, "
        "each once."
    ] = _level_by_level
    for kinds, message in LAYERS.items():
        found[message] = _of_layers(kinds)
    for kind, of in KINDS.items():
        found[f"You leave out {kind}. They keep the teacher's old values."] = _ema(of=of, rule=_old)
        found[f"You copy {kind}. They are averaged like the others."] = _ema(of=of, rule=_new)
    found |= {
        _told(message, MOVED): _ema(parameter=piece, buffer=piece)
        for message, piece in AVERAGE.items()
    }
    found |= with_piece(lambda rule: _ema(parameter=rule), others)
    found[
        "The teacher's buffers moved, and its parameters did not: average them too, in place "
        "(`t = ...` only gives a name to a new tensor)."
    ] = _ema(parameter=_old)
    return found


def _made() -> tuple[nn.Module, nn.Module]:
    teacher, student = Network().requires_grad_(False).eval(), Network()
    student.last.bias.requires_grad_(False)
    for p in student.parameters():
        p.grad = torch.randn_like(p) if p.requires_grad else None
    return teacher, student


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _state(network: nn.Module) -> tuple:
    modes = [m.training for m in network.modules()]
    return modes, [(p.requires_grad, p.grad is None) for p in network.parameters()]


def _numbers(parts: Iterable[Named]) -> tuple[Tensor, ...]:
    return tuple(flat(part.values()) for part in parts)


@check("5.1", "the moving average of the weights")
def check_5_1(ema_update):
    def answer(teacher: nn.Module, student: nn.Module, momentum: float) -> tuple:
        gradients = [p.grad for p in student.parameters()]
        teacher, student = copy.deepcopy((teacher, student))
        for p, gradient in zip(student.parameters(), gradients, strict=True):
            p.grad = gradient  # a copied parameter has none
        held, theirs = _tensors(teacher), _tensors(student)
        at = [t.data_ptr() for t in held]
        before = flat(theirs), _state(student), _state(teacher)
        old = flat(teacher.parameters())
        returned = ema_update(teacher, student, momentum)
        expect(
            torch.equal(flat(_tensors(student)), before[0]),
            "You moved the student: student and teacher are reversed. The optimizer moves the "
            "student; the average is written into the teacher."
            if torch.equal(flat(teacher.parameters()), old)
            else "You changed the student. Only the teacher is written to.",
        )
        expect(
            _state(student) == before[1],
            "You changed the student's mode, its gradients, or which of its parameters are trained "
            "(train(), eval(), zero_grad(), requires_grad_()). The student is only read.",
        )
        now = _tensors(teacher)
        expect(
            all(a is b for a, b in zip(now[: len(at)], held, strict=True)),
            "You put a new parameter or buffer in the place of one of the teacher's. Write into "
            "the one that is there (copy_, mul_, lerp_): whoever holds the old one, such as a "
            "compiled graph or a saved reference, would go on with the old weights.",
        )
        expect(
            not set(at[: len(now)] + [t.data_ptr() for t in now]) & {t.data_ptr() for t in theirs},
            "A tensor of the teacher now lies in the student's memory: what moves one moves the "
            "other. Copy numbers, with copy_, and not the tensor.",
        )
        expect(
            [t.data_ptr() for t in now] == at,
            "You gave one of the teacher's tensors new memory (`.data = ...`, set_). Others hold "
            "references to the old memory: write *into* it, t.copy_(...), t.mul_(...), "
            "t.lerp_(...).",
        )
        parameters = list(teacher.parameters())
        expect(
            not any(not p.is_leaf for p in parameters),
            "The teacher's weights are now part of the student's graph, which grows with every "
            "step. Wrap the update in torch.no_grad(): it is bookkeeping, not something to "
            "differentiate.",
        )
        expect(
            not any(p.requires_grad for p in parameters),
            "After your update the teacher's parameters ask for gradients (requires_grad). They "
            "did not before, and must not.",
        )
        expect(
            all(p.grad is None for p in parameters),
            "You gave the teacher gradients. Its weights follow the student's weights, and it has "
            "no gradients.",
        )
        expect(
            _state(teacher) == before[2],
            "You changed the teacher's mode (train() or eval()). Only its numbers move.",
        )
        if torch.equal(flat(parameters), old):
            expect(
                not isinstance(returned, nn.Module),
                "You return a teacher, and the one that you were given did not move. Write into "
                "that one; nothing is returned.",
            )
            _judge_unmoved(ema_update, teacher, student, momentum)
        return _numbers(_parts(teacher))

    cases = [(*_made(), 0.8), (*_made(), 0.3)]
    gradients = {
        "You averaged the student's *gradients* into the teacher. Its weights are asked for: s, "
        "and not s.grad.": _of_gradients
    }
    what = "The teacher's (parameters, floating-point buffers, other buffers)"
    compare(answer, cases, _ema(), _mistakes() | gradients, what=what, tolerance=1e-5)


def _of_gradients(teacher: nn.Module, student: nn.Module, momentum: float) -> tuple:
    shifted = copy.deepcopy(student)
    for p, s in zip(shifted.parameters(), student.parameters(), strict=True):
        p.data = s.grad if s.grad is not None else p.data
    return _ema()(teacher, shifted, momentum)


def _judge_unmoved(ema_update: Callable, teacher: nn.Module, student: nn.Module, m: float) -> None:
    """Whether it would move if its parameters asked for gradients."""
    asking = copy.deepcopy(teacher).requires_grad_(True)
    old = flat(asking.parameters())
    try:
        with torch.no_grad():
            ema_update(asking, copy.deepcopy(student), m)
    except Exception:
        return
    expect(
        torch.equal(flat(asking.parameters()), old),
        "You skip parameters that do not ask for gradients (requires_grad), and all of the "
        "teacher's are of that kind. Average every parameter.",
    )
