# names: The student was restored from the teacher
def what_to_save(run: Trainer) -> dict:
    parts = ("teacher", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {
        "student": run.teacher.state_dict(),
        "now": run.now,
    }
