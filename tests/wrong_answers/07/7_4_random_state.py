# names: A random state need not be saved
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    return {part: getattr(run, part).state_dict() for part in parts} | {
        "now": run.now,
        "rng": torch.get_rng_state(),
    }
