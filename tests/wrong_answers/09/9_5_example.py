# names: This is the example
def predict() -> dict:
    return {
        "noise": 0.61,
        "telling": 0.62,
        "random": 0.63,
        "because": "random weights know no better",
    }
