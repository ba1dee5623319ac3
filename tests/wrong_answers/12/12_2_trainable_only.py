# names: must be of one length
@torch.no_grad()
def foreach_ema(teacher, student, momentum):
    ours = list(teacher.parameters())
    theirs = [p for p in student.parameters() if p.requires_grad]
    torch._foreach_lerp_(ours, theirs, 1 - momentum)
