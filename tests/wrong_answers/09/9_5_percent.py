# names: looks like percent
def predict() -> dict:
    return {
        "noise": 50,
        "telling": 20,
        "random": 25,
        "because": "the background is what crops share",
    }
