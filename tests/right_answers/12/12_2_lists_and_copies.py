def foreach_ema(teacher, student, momentum):
    with torch.no_grad():
        for mine, theirs in (
            (teacher.parameters(), student.parameters()),
            (teacher.buffers(), student.buffers()),
        ):
            mine, theirs = list(mine), list(theirs)
            whole = [i for i, t in enumerate(mine) if not t.is_floating_point()]
            for i in reversed(whole):
                mine.pop(i).copy_(theirs.pop(i))
            if mine:
                torch._foreach_mul_(mine, momentum)
                torch._foreach_add_(mine, theirs, alpha=1 - momentum)
