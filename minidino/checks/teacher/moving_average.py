"""Exercise 5.1, the moving average of the weights: tells apart averages that are weighted wrongly,
with an old or constant momentum, leave out buffers, make new tensors or move the student.
"""

import torch
from torch import nn

from minidino.checks.core import check, expect, expect_close, flat
from minidino.checks.teacher.common import small_network

CONSTANTS = (0.996, 0.99, 0.9)


def constant_momentum(momentum: float) -> str:
    return (
        "The momentum you were given is not used; this is an average with the constant "
        f"{momentum}. It follows a schedule, from 0.996 to 1 in the paper."
    )


@check("5.1", "the moving average of the weights")
def check_5_1(ema_update):
    # By hand: 0.75 * 1 + 0.25 * 2 = 1.25.
    teacher, student = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(teacher.weight, 1.0)
    nn.init.constant_(student.weight, 2.0)
    teacher.requires_grad_(False)
    held = teacher.weight
    ema_update(teacher, student, 0.75)
    expect(
        teacher.weight is held,
        "You put a new parameter in the place of the teacher's. Write into the one that is there "
        "(copy_, mul_, lerp_): whoever holds the old one, such as a compiled graph or a saved "
        "reference, would go on with the old weights.",
    )
    expect(
        not teacher.weight.requires_grad,
        "The teacher's weights are now part of the student's graph, which grows with every step. "
        "Wrap the update in torch.no_grad(): it is bookkeeping, not something to differentiate.",
    )
    expect(
        student.weight.item() == 2.0,
        "You moved the student: student and teacher are reversed. The optimizer moves the "
        "student; the average is written into the teacher.",
    )
    expect_close(
        teacher.weight,
        torch.tensor([[1.25]]),
        {
            "Old and new are swapped: this gives the student three quarters. A momentum of 0.75 "
            "keeps three quarters of the *teacher*.": torch.tensor([[1.75]]),
            "You copied the student; the momentum is not used. The teacher moves a little: "
            "momentum * teacher + (1 - momentum) * student.": torch.tensor([[2.0]]),
            "The student is not weighted, so the two weights sum to more than 1 and the teacher "
            "grows with every step. It gets 1 - momentum.": torch.tensor([[2.75]]),
            "The old teacher is not weighted, so the two weights sum to more than 1 and the "
            "teacher grows with every step. It keeps the share momentum.": torch.tensor([[1.5]]),
            "The teacher did not move. `t = m * t + ...` only gives a name to a new tensor; "
            "write into the old one: t.copy_(...), t.mul_(...), t.lerp_(...).": torch.ones(1, 1),
        }
        | {constant_momentum(c): torch.tensor([[2 - c]]) for c in CONSTANTS},
        what="The teacher's weight after ema_update(1, 2, momentum 0.75)",
    )

    teacher, student = small_network().requires_grad_(False), small_network()
    student[1].num_batches_tracked.fill_(7)
    buffers = [b for b in teacher.buffers() if b.is_floating_point()]
    news = [b for b in student.buffers() if b.is_floating_point()]
    held = [*teacher.parameters(), *teacher.buffers()]
    student_before = flat([*student.parameters(), *student.buffers()])
    for momentum in (0.8, 0.3):
        old, new = flat(teacher.parameters()), flat(student.parameters())
        old_buffers, new_buffers = flat(buffers), flat(news)
        ema_update(teacher, student, momentum)
        now = [*teacher.parameters(), *teacher.buffers()]
        expect(
            all(a is b for a, b in zip(now, held, strict=True)),
            "You put a new tensor in the place of one of the teacher's. Write into the one that is "
            "there (copy_, mul_, lerp_), so that references to it stay good.",
        )
        expect_close(
            flat(teacher.parameters()),
            momentum * old + (1 - momentum) * new,
            {constant_momentum(c): c * old + (1 - c) * new for c in CONSTANTS},
            what=f"All parameters of the teacher together (momentum {momentum})",
            tolerance=1e-5,
        )
        expect_close(
            flat(buffers),
            momentum * old_buffers + (1 - momentum) * new_buffers,
            {
                "You forgot the buffers. Running statistics are not parameters, but the teacher "
                "computes with them: average teacher.buffers() too.": old_buffers,
                "You copied the student's floating-point buffers. Average them like the "
                "parameters, so that weights and statistics are of the same age.": new_buffers,
            },
            what="The teacher's floating-point buffers",
            tolerance=1e-5,
        )
    counter = teacher[1].num_batches_tracked
    expect(
        counter.dtype == torch.int64 and counter.item() == 7,
        f"The counter num_batches_tracked is {counter.item()} ({counter.dtype}), the student's is "
        "7. A whole number has no meaningful average: copy it.",
    )
    expect(
        torch.equal(flat([*student.parameters(), *student.buffers()]), student_before),
        "You changed the student. Only the teacher is written to.",
    )
