# names: five words
def predict() -> dict:
    return {"noise": 0.5, "telling": 0.1, "random": 0.25, "because": "just so"}
