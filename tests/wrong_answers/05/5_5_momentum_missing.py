# names: In this call of update_teacher an argument is missing: momentum.
def train_step(t, batches, student, teacher, loss_fn, optimizer, schedules, steps_per_epoch):
    update_teacher(teacher, student)
