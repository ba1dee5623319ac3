def what_to_save(run: Trainer) -> dict:
    return {
        "now": run.now,
        "optimizer": run.optimizer.state_dict(),
        "criterion": run.criterion.state_dict(),
        "teacher": run.teacher.state_dict(),
        "student": run.student.state_dict(),
    }
