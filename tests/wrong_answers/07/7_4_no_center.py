# names: You resume without the center
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {"now": run.now}
