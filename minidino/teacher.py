"""The teacher: an exponential moving average of the student (DINO, section 3.1)."""

import torch
from torch import nn


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher <- momentum * teacher + (1 - momentum) * student, in place.

    Call it after the optimizer's step, so that the teacher follows the *updated* student.
    Floating-point buffers are averaged too; whole-number ones (counters) are copied.

    Raises:
        ValueError: if ``teacher`` is ``student``, or the two differ in parameters' shapes.
    """
    if teacher is student:
        raise ValueError("teacher and student are the same module; use copy.deepcopy(student)")
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    if [t.shape for t in ours] != [s.shape for s in theirs]:
        raise ValueError("teacher and student do not have the same parameters and buffers")
    averaged = [(t, s) for t, s in zip(ours, theirs, strict=True) if t.is_floating_point()]
    # One fused call for all tensors: a ViT-S has over 150 and a loop would pay for each.
    torch._foreach_lerp_([t for t, _ in averaged], [s for _, s in averaged], 1.0 - momentum)
    for t, s in zip(ours, theirs, strict=True):
        if not t.is_floating_point():
            t.copy_(s)
