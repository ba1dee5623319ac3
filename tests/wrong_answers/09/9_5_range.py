# names: A range is no commitment
def predict() -> dict:
    return {
        "noise": (0.3, 0.6),
        "telling": 0.1,
        "random": 0.25,
        "because": "the background is what crops share",
    }
