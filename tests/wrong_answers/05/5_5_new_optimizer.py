# names: the optimizer that you were given did not step
def train_step(
    t: int,
    batches: Iterator[list[torch.Tensor]],
    student: nn.Module,
    teacher: nn.Module,
    loss_fn: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    schedules: Schedules,
    steps_per_epoch: int,
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
            p.grad = None  # not 0: AdamW would still decay the weights

    optimizer = torch.optim.AdamW(student.parameters())
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = schedules.lr[t], schedules.weight_decay[t]
    optimizer.step()
    update_teacher(teacher, student, schedules.teacher_momentum[t])
    return loss.detach()
