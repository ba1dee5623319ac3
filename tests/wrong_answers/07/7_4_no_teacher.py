# names: You resume without the teacher
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {"now": run.now}
