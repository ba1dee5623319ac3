# names: an object with its code
def what_to_save(run: Trainer) -> dict:
    names = ("student", "teacher", "criterion", "optimizer", "now")
    return {name: getattr(run, name) for name in names}
