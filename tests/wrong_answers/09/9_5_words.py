# names: should be a number
def predict() -> dict:
    return {
        "noise": "high",
        "telling": "low",
        "random": 0.25,
        "because": "the background is what crops share",
    }
