# names: changes the run's student
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    run.student.half().float()
    return {part: getattr(run, part).state_dict() for part in parts} | {"now": run.now}
