def train_step(
    run: Trainer, images: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    t, config, plan = run.now, run.config, run.schedules
    decayed, plain = run.optimizer.param_groups
    decayed.update(lr=plan.lr[t], weight_decay=plan.weight_decay[t])
    plain.update(lr=plan.lr[t])
    center = run.criterion.center.clone()

    views = run.crops(images, generator)
    prototypes = run.student.head.last_layer.weight_v
    prototypes.requires_grad_(t >= config.freeze_last_layer_epochs * run.steps_per_epoch)
    student_logits = run.student(*views)
    with torch.inference_mode():
        teacher_logits = run.teacher(views[0])
    teacher_logits = teacher_logits.clone()
    loss = run.criterion(student_logits, teacher_logits, plan.teacher_temp[t])
    q = torch.softmax((teacher_logits - center) / plan.teacher_temp[t], dim=-1)

    for p in run.student.parameters():
        p.grad = None
    loss.backward()
    clip_gradients(list(run.student.parameters()), config.clip_grad)
    run.optimizer.step()
    update_teacher(run.teacher, run.student, plan.teacher_momentum[t])
    run.now += 1
    return loss.detach(), torch.special.entr(q).sum(dim=-1).mean()
