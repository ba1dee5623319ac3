# names: not what it was, to the last bit
def what_to_save(run: Trainer) -> dict:
    state = {p: getattr(run, p).state_dict() for p in ("student", "teacher", "criterion")}
    for part in state.values():
        for name, value in part.items():
            part[name] = value.half()
    return state | {"optimizer": run.optimizer.state_dict(), "now": run.now}
