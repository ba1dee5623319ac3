def foreach_ema(teacher, student, momentum):
    ours = [t.detach() for t in (*teacher.parameters(), *teacher.buffers())]
    theirs = [s.detach() for s in (*student.parameters(), *student.buffers())]
    pairs = list(zip(ours, theirs, strict=True))
    ts, ss = map(list, zip(*[p for p in pairs if p[0].dtype.is_floating_point], strict=True))
    new = torch._foreach_add(torch._foreach_mul(ts, momentum), torch._foreach_mul(ss, 1 - momentum))
    torch._foreach_copy_(ts, new)
    for t, s in pairs:
        if not t.dtype.is_floating_point:
            t.copy_(s)
