# names: A part of the teacher did not move
def train_step(
    run: Trainer, images: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    t = run.now
    views = run.crops(images, generator)
    with torch.no_grad():
        teacher_logits = run.teacher(views[0])
    student_logits = run.student(*views)
    temp = run.schedules.teacher_temp[t]
    h = entropy(run.criterion.targets(teacher_logits, temp)).mean()  # before the center moves
    loss = run.criterion(student_logits, teacher_logits, temp)

    gradients = torch.autograd.grad(loss, run.parameters)
    for p, g in zip(run.parameters, gradients, strict=True):
        p.grad = g
    clip_gradients(run.parameters, run.config.clip_grad)
    if t < run.config.freeze_last_layer_epochs * run.steps_per_epoch:
        for p in run.student.head.last_layer.parameters():
            p.grad = None

    decayed, plain = run.optimizer.param_groups
    decayed["lr"] = plain["lr"] = run.schedules.lr[t]
    decayed["weight_decay"] = run.schedules.weight_decay[t]
    run.optimizer.step()
    update_teacher(run.teacher.backbone, run.student.backbone, run.schedules.teacher_momentum[t])
    run.now += 1
    return loss.detach(), h
