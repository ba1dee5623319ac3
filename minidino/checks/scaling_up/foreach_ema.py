"""Exercise 12.2, one call for all tensors: tells apart averages that are weighted wrongly, leave
out tensors, make new ones or disturb the student, and right ones by a loop.
"""

import copy
import functools
import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from minidino.checks.compare import compare
from minidino.checks.core import check, expect
from minidino.checks.mistakes import Table
from minidino.checks.scaling_up.operations import Operations

IN_PLACE = (
    "You put a new tensor in the place of the teacher's. Write into the one that is there: the "
    "_foreach_ functions whose names end in _ do."
)
NEW_MEMORY = (
    "You gave the teacher's tensors new memory (x.data = ...). Write into their own: whoever holds "
    "a view of it, or has its address, would go on with old numbers. The _foreach_ functions whose "
    "names end in _ write in place."
)
SUM = "so the weights sum to more than 1 and the teacher grows."
# (teacher's, student's, momentum) -> what becomes of the teacher's
AVERAGES: Table = {
    "Old and new are swapped: your teacher keeps the share 1 - momentum. lerp's weight is the "
    "share of the *second* list, 1 - momentum.": lambda t, s, m: (1 - m) * t + m * s,
    "You copied the student; the momentum is not used.": lambda t, s, m: s,
    f"The student is not weighted, {SUM} torch._foreach_add_(a, b, alpha=...) has its share.": (
        lambda t, s, m: m * t + s
    ),
    f"The old teacher is not weighted, {SUM} torch._foreach_mul_(a, momentum) comes first.": (
        lambda t, s, m: t + (1 - m) * s
    ),
    "Both get the share momentum. The student gets the rest, 1 - momentum.": (
        lambda t, s, m: m * t + m * s
    ),
    "Both get the share 1 - momentum. The teacher keeps the share momentum.": (
        lambda t, s, m: (1 - m) * t + (1 - m) * s
    ),
    f"Teacher and student are added, without weights, {SUM}": lambda t, s, m: t + s,
    "The teacher did not move. torch._foreach_lerp without a final _ makes new tensors and leaves "
    "the teacher's as they were; so does a list of copies.": lambda t, s, m: t,
    "The teacher only shrank; nothing of the student was added.": lambda t, s, m: m * t,
    "The teacher only shrank, to the share 1 - momentum; nothing of the student was added.": (
        lambda t, s, m: (1 - m) * t
    ),
    "Only the student's part is left; the old teacher was dropped.": lambda t, s, m: (1 - m) * s,
    "You added the student first and weighted the sum: momentum * (teacher + share * student). "
    "Multiply first, then add.": lambda t, s, m: m * (t + (1 - m) * s),
    "The student's part is taken away where it should be added.": (
        lambda t, s, m: m * t - (1 - m) * s
    ),
    "The teacher moves away from the student: the difference is taken the wrong way round. "
    "teacher += (1 - momentum) * (student - teacher).": lambda t, s, m: t - (1 - m) * (s - t),
    "The student has the share (1 - momentum) twice, so its square is added. Is it scaled first "
    "and added with alpha as well?": lambda t, s, m: m * t + (1 - m) ** 2 * s,
    "The teacher is multiplied by the momentum twice.": lambda t, s, m: m * m * t + (1 - m) * s,
    "The whole update is made twice: are the tensors in your list twice, or is it called twice?": (
        lambda t, s, m: m * m * t + (1 - m * m) * s
    ),
    "This is the plain mean of teacher and student; the momentum is not used.": (
        lambda t, s, m: (t + s) / 2
    ),
    **{
        f"The momentum you were given is not used; this is an average with the constant {c}. It is "
        "an argument.": lambda t, s, m, c=c: c * t + (1 - c) * s
        for c in (0.9, 0.99, 0.996, 0.999)
    },
}
SHARES = {
    "momentum": lambda m: m,
    "1 - momentum": lambda m: 1 - m,
    "1": lambda m: 1,
    "momentum squared": lambda m: m * m,
    "(1 - momentum) squared": lambda m: (1 - m) ** 2,
    "momentum (1 - momentum)": lambda m: m * (1 - m),
    "-(1 - momentum)": lambda m: m - 1,
    "1 / 2": lambda m: 0.5,
}
# What the lists above leave of pairs of shares.
NAMED = (
    ("momentum", "1 - momentum"), ("1 - momentum", "momentum"), ("momentum", "1"),
    ("1", "1 - momentum"), ("momentum", "momentum"), ("1 - momentum", "1 - momentum"), ("1", "1"),
    ("momentum", "momentum (1 - momentum)"), ("momentum", "-(1 - momentum)"), ("1 / 2", "1 / 2"),
    ("momentum", "(1 - momentum) squared"), ("momentum squared", "1 - momentum"),
)  # fmt: skip
AVERAGES |= {
    f"The teacher's share is {a} and the student's {b}. They are momentum and 1 - momentum.": (
        lambda t, s, m, a=of_a, b=of_b: a(m) * t + b(m) * s
    )
    for (a, of_a), (b, of_b) in itertools.product(SHARES.items(), SHARES.items())
    if (a, b) not in NAMED
}
ROLES: Table = {  # the same for the student, which should stay as it is
    "You moved the student: student and teacher are reversed. The first list is the one that is "
    "written to.": lambda t, s, m: m * s + (1 - m) * t,
    "You moved the student, and swapped the weights: student and teacher are reversed, and lerp's "
    "weight is the share of the *second* list.": lambda t, s, m: (1 - m) * s + m * t,
    "You copied the teacher into the student. Only the teacher is written to.": lambda t, s, m: t,
    "You scaled the student's own tensors in place by 1 - momentum (_foreach_mul_). It trains on "
    "with them: torch._foreach_add_(a, b, alpha=1 - momentum) leaves b as it is.": (
        lambda t, s, m: (1 - m) * s
    ),
    "You scaled the student's own tensors in place by the momentum (_foreach_mul_). It trains on "
    "with them, and the teacher's are to be multiplied.": lambda t, s, m: m * s,
    "You set the student to 0. Only the teacher is written to.": lambda t, s, m: 0 * s,
}
LEFT_OUT: Table = {
    "You forgot the {name}: they are as they were.": lambda t, s, m: t,
    "You copied the student's {name}.": lambda t, s, m: s,
}


class Some(nn.Module):
    """24 layers, so that a loop shows; a parameter of its own, a frozen one, buffers."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 3))
        self.scale = nn.Parameter(torch.randn(()))
        self.layers = nn.Sequential(*[nn.Linear(3, 3) for _ in range(24)])
        self.norm = nn.BatchNorm1d(4)
        self.norm.running_mean.normal_()
        self.frozen = nn.Parameter(torch.randn(2, 3), requires_grad=False)
        self.register_buffer("unsaved", torch.randn(5), persistent=False)
        self.register_buffer("wide", torch.randn(4, dtype=torch.float64))


def _pair(counters: tuple[int, int]) -> tuple[nn.Module, nn.Module]:
    teacher, student = Some().requires_grad_(False), Some()
    for network, count in zip((teacher, student), counters, strict=True):
        network.norm.num_batches_tracked.fill_(count)
    return teacher, student


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(0), *(t.detach().double().flatten() for t in tensors)])


# Where the tensors of a network are, as a learner may have missed them.
KINDS: dict[str, Callable[[nn.Module], list[Tensor]]] = {
    "weight matrices": lambda n: [p for k, p in n.named_parameters() if k.endswith("weight")],
    "biases": lambda n: [p for k, p in n.named_parameters() if k.endswith("bias")],
    "parameters that lie in no layer (a [CLS] token, a scale)": lambda n: [
        p for k, p in n.named_parameters() if k in ("token", "scale")
    ],
    "parameters that are frozen in the student": lambda n: [
        p for k, p in n.named_parameters() if k == "frozen"
    ],
    "floating-point buffers": lambda n: [
        b for k, b in n.named_buffers() if b.is_floating_point() and k not in ("unsaved", "wide")
    ],
    "buffers that are not saved (persistent=False)": lambda n: [
        b for k, b in n.named_buffers() if k == "unsaved"
    ],
    "buffers of another floating type (float64)": lambda n: [
        b for k, b in n.named_buffers() if k == "wide"
    ],
}
WHY = {
    "floating-point buffers": "Running statistics are not parameters, but the teacher computes "
    "with them: put teacher.buffers() into the list, and average them like the parameters, so "
    "that weights and statistics are of the same age.",
    "buffers that are not saved (persistent=False)": "state_dict() does not have them, buffers() "
    "does. They are averaged too.",
    "buffers of another floating type (float64)": "`dtype == torch.float32` holds for one type; "
    "t.is_floating_point() for all that have an average.",
}


@check("12.2", "one call for all tensors")
def check_12_2(foreach_ema):
    # By hand: 0.75 * 1 + 0.25 * 2 = 1.25.
    teacher, student = (nn.Linear(1, 1, bias=False) for _ in range(2))
    nn.init.constant_(teacher.weight, 1.0)
    nn.init.constant_(student.weight, 2.0)
    cases = [(teacher.requires_grad_(False), student, 0.75)]
    cases += [(*_pair(c), m) for c, m in (((3, 7), 0.8), ((12, 40), 0.3))]

    def after(part: Callable) -> Callable:
        """What the answer leaves in ``part`` of the two networks."""

        @functools.wraps(foreach_ema)
        def run(teacher: nn.Module, student: nn.Module, momentum: float) -> Tensor:
            teacher, student = copy.deepcopy(teacher), copy.deepcopy(student)
            foreach_ema(teacher, student, momentum)
            return part(teacher, student)

        return run

    def of(kind: Callable, change: Callable) -> Callable:
        return lambda t, s, m: change(_flat(kind(t)), _flat(kind(s)), m)

    def all_of(change: Callable) -> Callable:
        return of(lambda n: list(n.parameters()), change)

    _in_place(foreach_ema, *cases[1])
    compare(
        after(lambda t, s: _flat(s.parameters())),
        cases,
        all_of(lambda t, s, m: s),
        {message: all_of(change) for message, change in ROLES.items()},
        what="The student after the update, which should be as it was,",
    )
    compare(
        after(lambda t, s: _flat(s.buffers())),
        cases[1:],
        of(lambda n: list(n.buffers()), lambda t, s, m: s),
        {
            "You copied the teacher's buffers into the student's: t.copy_(s) writes to t.": of(
                lambda n: list(n.buffers()), lambda t, s, m: t
            ),
            "You copied the teacher's counter into the student's: t.copy_(s) writes to t.": (
                lambda t, s, m: _flat(
                    (b if b.is_floating_point() else a)
                    for a, b in zip(t.buffers(), s.buffers(), strict=True)
                )
            ),
        },
        what="The row of the student's buffers after the update, which should be as it was,",
    )
    weights = KINDS["weight matrices"]
    compare(
        after(lambda t, s: _flat(weights(t))),
        cases,
        of(weights, lambda t, s, m: m * t + (1 - m) * s),
        {message: of(weights, change) for message, change in AVERAGES.items()},
        what="The teacher after the update",
        tolerance=1e-5,
    )
    for name, kind in KINDS.items():
        compare(
            after(lambda t, s, kind=kind: _flat(kind(t))),
            cases[1:],
            of(kind, lambda t, s, m: m * t + (1 - m) * s),
            {
                f"{words.format(name=name)} {WHY.get(name, 'They are averaged too.')}": of(
                    kind, change
                )
                for words, change in LEFT_OUT.items()
            }
            | {
                f"Of the {name}: {message}": of(kind, change)
                for message, change in AVERAGES.items()
                if not message.startswith(("The teacher did not", "You copied"))
            },
            what=f"Of the teacher's {name} the average",
            tolerance=1e-5,
        )
    compare(
        after(lambda t, s: t.norm.num_batches_tracked),
        cases[1:],
        lambda t, s, m: s.norm.num_batches_tracked,
        {
            "The counter num_batches_tracked is left as it was. A whole number has no meaningful "
            "average: copy the student's.": lambda t, s, m: t.norm.num_batches_tracked,
            "The student's counter is added to the teacher's num_batches_tracked. It is copied.": (
                lambda t, s, m: t.norm.num_batches_tracked + s.norm.num_batches_tracked
            ),
            "The counter num_batches_tracked is averaged. A whole number has no meaningful "
            "average: copy the student's.": lambda t, s, m: int(
                m * t.norm.num_batches_tracked + (1 - m) * s.norm.num_batches_tracked
            ),
        },
        what="The counter num_batches_tracked, which is copied,",
    )
    teacher, student = _pair((3, 7))
    with Operations() as seen:
        foreach_ema(teacher, student, 0.8)
    calls = len([name for name in seen.names if name not in ("detach", "alias", "view")])
    tensors = len(list(teacher.parameters()))
    expect(
        calls < tensors / 2,
        f"The result is right, by a loop: {calls} operations for {tensors} parameters. Gather the "
        "tensors in two lists and hand both to torch._foreach_lerp_, one call for all.",
    )


def _in_place(foreach_ema: Callable, teacher: nn.Module, student: nn.Module, m: float) -> None:
    """The teacher's tensors are the same and where they were; flags and modes are left alone."""
    teacher, student = copy.deepcopy(teacher), copy.deepcopy(student)
    teacher.eval()
    held = [*teacher.parameters(), *teacher.buffers()]
    places = [t.data_ptr() for t in held]
    learns = [p.requires_grad for p in student.parameters()]
    with Operations() as seen:
        foreach_ema(teacher, student, m)
    expect(
        seen.names,
        "Your function does nothing to any tensor. The update is one call on two lists: Hint 1.",
    )
    now = [*teacher.parameters(), *teacher.buffers()]
    expect(len(now) == len(held) and all(a is b for a, b in zip(now, held, strict=True)), IN_PLACE)
    expect([t.data_ptr() for t in now] == places, NEW_MEMORY)
    expect(
        not any(t.grad_fn for t in now),
        "The teacher's weights are now part of the student's graph, which grows with every step. "
        "Wrap the update in torch.no_grad().",
    )
    expect(
        [p.requires_grad for p in student.parameters()] == learns,
        "After your update the student's parameters are frozen (requires_grad), or thawed: it "
        "would learn nothing any more. torch.no_grad() around the update is enough.",
    )
    expect(
        not any(p.requires_grad for p in teacher.parameters()),
        "After your update the teacher's parameters require gradients. It learns by this average "
        "alone: leave requires_grad as it is.",
    )
    expect(
        student.training and not teacher.training,
        "Your update switches student or teacher to another mode (.train(), .eval()). Leave it: "
        "the student is in the middle of its training.",
    )
    expect(
        all(a.dtype == b.dtype for a, b in zip(teacher.buffers(), student.buffers(), strict=True)),
        "A buffer of the teacher's has another type after your update.",
    )
