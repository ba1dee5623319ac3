# names: keys are missing
def predict() -> dict:
    return {"noise": 0.5, "telling": 0.1, "because": "the background is what crops share"}
