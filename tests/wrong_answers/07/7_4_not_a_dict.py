# names: Return a dict
def what_to_save(run: Trainer) -> dict:
    return [getattr(run, p).state_dict() for p in ("student", "teacher", "criterion", "optimizer")]
