def train_step(
    run: Trainer, images: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    globals_, locals_ = run.crops(images, generator=generator)
    batch, now, plan = len(images), run.now, run.schedules
    for i, group in enumerate(run.optimizer.param_groups):
        group["lr"] = plan.lr[now]
        if i == 0:
            group["weight_decay"] = plan.weight_decay[now]

    student = torch.cat(
        [run.student(view) for view in (*globals_.split(batch), *locals_.split(batch))]
    )
    teacher = torch.cat([run.teacher(view) for view in globals_.split(batch)]).detach()
    q = run.criterion.targets(teacher, plan.teacher_temp[now])
    h = -torch.special.xlogy(q, q).sum(-1).mean()
    loss = run.criterion(student, teacher, teacher_temp=plan.teacher_temp[now])
    loss.backward()
    epoch = now // run.steps_per_epoch
    if epoch < run.config.freeze_last_layer_epochs:
        run.student.head.last_layer.weight_v.grad = None
    for p in run.parameters:
        if p.grad is not None:
            nn.utils.clip_grad_norm_([p], run.config.clip_grad)
    run.optimizer.step()
    run.optimizer.zero_grad()
    with torch.no_grad():
        m = plan.teacher_momentum[now]
        for t, s in zip(run.teacher.parameters(), run.student.parameters(), strict=True):
            t.copy_(m * t + (1 - m) * s)
    run.now = now + 1
    return loss.detach(), h
