# names: after optimizer.step(), so each step has that of the one before
def train_step(
    t, batches, student, teacher, loss_fn, optimizer, schedules, steps_per_epoch
) -> torch.Tensor:
    views = next(batches)
    with torch.no_grad():
        teacher_logits = teacher(torch.cat(views[:2]))
    student_logits = student(torch.cat(views))
    loss = loss_fn(student_logits, teacher_logits, schedules.teacher_temp[t])
    optimizer.zero_grad()
    loss.backward()
    clip_gradients(list(student.parameters()), MAX_NORM)
    if t < steps_per_epoch:
        for p in student.last_layer.parameters():
            p.grad = None
    optimizer.step()
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = schedules.lr[t], schedules.weight_decay[t]
    update_teacher(teacher, student, schedules.teacher_momentum[t])
    return loss.detach()
