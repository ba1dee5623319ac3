from torch.optim.swa_utils import get_ema_multi_avg_fn


def foreach_ema(teacher, student, momentum):
    ours, theirs = (
        {**dict(n.named_parameters()), **dict(n.named_buffers())} for n in (teacher, student)
    )
    names = [name for name, t in ours.items() if t.is_floating_point()]
    average = get_ema_multi_avg_fn(momentum)
    with torch.no_grad():
        average([ours[n] for n in names], [theirs[n] for n in names], 1)
    with torch.no_grad():
        for name in ours.keys() - set(names):
            ours[name].copy_(theirs[name])
