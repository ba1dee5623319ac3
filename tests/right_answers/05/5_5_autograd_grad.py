def train_step(
    t, batches, student, teacher, loss_fn, optimizer, schedules, steps_per_epoch
) -> torch.Tensor:
    for group in optimizer.param_groups:
        group.update(lr=schedules.lr[t], weight_decay=schedules.weight_decay[t])
    views = next(batches)
    with torch.no_grad():
        target = teacher(torch.cat(views[:2], dim=0))
    loss = loss_fn(student(torch.cat(views, dim=0)), target, schedules.teacher_temp[t])
    still = {id(p) for p in student.last_layer.parameters()} if t < steps_per_epoch else set()
    moving = [p for p in student.parameters() if p.requires_grad and id(p) not in still]
    for p in student.parameters():
        p.grad = None
    for p, g in zip(moving, torch.autograd.grad(loss, moving), strict=True):
        p.grad = g * min(1.0, MAX_NORM / g.norm().item())
    optimizer.step()
    update_teacher(teacher, student, schedules.teacher_momentum[t])
    return loss.detach()
