# names: does not fit the part
def what_to_save(run: Trainer) -> dict:
    def learned(module):
        return {name: p.detach().clone() for name, p in module.named_parameters()}

    state = {part: learned(getattr(run, part)) for part in ("student", "teacher", "criterion")}
    return state | {"optimizer": run.optimizer.state_dict(), "now": run.now}
