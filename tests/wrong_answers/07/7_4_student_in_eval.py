# names: the mode (train or eval) of the student
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    run.student.eval()
    return {part: getattr(run, part).state_dict() for part in parts} | {"now": run.now}
