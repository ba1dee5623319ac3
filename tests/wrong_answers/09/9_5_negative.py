# names: lies between 0 and 1.
def predict() -> dict:
    return {
        "noise": 0.5,
        "telling": -0.1,
        "random": 0.2,
        "because": "it is worse than having nothing",
    }
