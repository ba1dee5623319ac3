# names: Return a dict
def predict() -> dict:
    return ["noise", "random", "telling"]
