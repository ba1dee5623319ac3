# names: You resume without the optimizer's state
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion")
    return {part: getattr(run, part).state_dict() for part in parts} | {
        "optimizer": {"state": {}, "param_groups": run.optimizer.state_dict()["param_groups"]},
        "now": run.now,
    }
