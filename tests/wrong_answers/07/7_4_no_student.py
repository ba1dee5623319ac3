# names: The student is not in the checkpoint
def what_to_save(run: Trainer) -> dict:
    parts = ("teacher", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {"now": run.now}
