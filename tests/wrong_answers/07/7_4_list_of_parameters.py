# names: What you saved as 'student' does not fit the part
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    state = {part: getattr(run, part).state_dict() for part in parts}
    return state | {"now": run.now, "student": list(run.student.parameters())}
