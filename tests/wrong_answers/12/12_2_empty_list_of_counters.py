# names: A list of tensors is empty
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    ours = [*teacher.parameters(), *teacher.buffers()]
    theirs = [*student.parameters(), *student.buffers()]
    torch._foreach_lerp_(
        [t for t in ours if t.is_floating_point()],
        [s for s in theirs if s.is_floating_point()],
        1 - momentum,
    )
    torch._foreach_copy_(
        [t for t in ours if not t.is_floating_point()],
        [s for s in theirs if not s.is_floating_point()],
    )
