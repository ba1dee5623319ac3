def train_step(
    t, batches, student, teacher, loss_fn, optimizer, schedules, steps_per_epoch
) -> torch.Tensor:
    for group in optimizer.param_groups:
        group["lr"] = schedules.lr[t]
        group["weight_decay"] = schedules.weight_decay[t]
    views = next(batches)
    student_logits = torch.cat([student(v) for v in views])
    teacher_logits = torch.cat([teacher(v) for v in views[:2]]).detach()
    loss = loss_fn(student_logits, teacher_logits, schedules.teacher_temp[t])
    student.zero_grad()
    loss.backward()
    for p in student.parameters():
        if p.grad is not None:
            nn.utils.clip_grad_norm_([p], MAX_NORM)
    if t // steps_per_epoch == 0:
        student.last_layer.zero_grad(set_to_none=True)
    optimizer.step()
    m = schedules.teacher_momentum[t]
    with torch.no_grad():
        for a, b in zip(teacher.parameters(), student.parameters(), strict=True):
            a.copy_(m * a + (1 - m) * b)
    return loss.detach()
