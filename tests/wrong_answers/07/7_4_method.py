# names: is a method
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {"step": run.now}
