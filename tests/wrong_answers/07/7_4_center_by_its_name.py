# names: has no part called
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {
        "center": run.criterion.center,
        "now": run.now,
    }
