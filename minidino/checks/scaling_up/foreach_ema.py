"""Exercise 12.2, one call for all tensors: tells apart averages that are weighted wrongly, leave
out buffers or make new tensors, and right ones by a loop.
"""

import torch
from torch import nn

from minidino.checks.core import check, expect, expect_close, flat
from minidino.checks.scaling_up.operations import Operations
from minidino.checks.teacher.common import small_network


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
