def what_to_save(run: Trainer) -> dict:
    import copy

    names = ["student", "teacher", "criterion", "optimizer", "now", "steps_per_epoch"]
    state = {name: getattr(run, name) for name in names}
    for name, value in state.items():
        if not isinstance(value, int):
            state[name] = copy.deepcopy(value.state_dict())
    return state
