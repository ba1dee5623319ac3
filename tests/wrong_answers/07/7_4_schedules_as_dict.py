# names: run.schedules is of type Schedules
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    state = {part: getattr(run, part).state_dict() for part in parts}
    return state | {"now": run.now, "schedules": vars(run.schedules)}
