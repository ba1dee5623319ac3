# names: run.now is of type int, and you save it as Tensor
def what_to_save(run: Trainer) -> dict:
    parts = ("student", "teacher", "criterion", "optimizer")
    state = {part: getattr(run, part).state_dict() for part in parts}
    return state | {"now": torch.tensor(run.now)}
