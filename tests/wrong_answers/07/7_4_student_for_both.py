# names: You saved the student in the teacher's place
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {
        "teacher": run.student.state_dict(),
        "now": run.now,
    }
