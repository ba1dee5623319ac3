# names: the resumed one believes in
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {"now": run.now + 1}
