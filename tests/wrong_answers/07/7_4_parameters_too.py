# names: goes on differently
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {
        "now": run.now,
        "parameters": [p.detach() for p in run.parameters],
    }
