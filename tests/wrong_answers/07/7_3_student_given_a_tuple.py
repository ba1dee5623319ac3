# names: A network got all the views as one tuple
def train_step(run, images, generator):
    t = run.now
    views = run.crops(images, generator)
    with torch.no_grad():
        teacher_logits = run.teacher(views[0])
    student_logits = run.student(views)
    temp = run.schedules.teacher_temp[t]
    h = entropy(run.criterion.targets(teacher_logits, temp)).mean()
    loss = run.criterion(student_logits, teacher_logits, temp)
    run.optimizer.zero_grad()
    loss.backward()
    clip_gradients(run.parameters, run.config.clip_grad)
    if t < run.config.freeze_last_layer_epochs * run.steps_per_epoch:
        for p in run.student.head.last_layer.parameters():
            p.grad = None
    decayed, plain = run.optimizer.param_groups
    decayed["lr"] = plain["lr"] = run.schedules.lr[t]
    decayed["weight_decay"] = run.schedules.weight_decay[t]
    run.optimizer.step()
    update_teacher(run.teacher, run.student, run.schedules.teacher_momentum[t])
    run.now += 1
    return loss.detach(), h
