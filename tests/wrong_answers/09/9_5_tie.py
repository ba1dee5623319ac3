# names: are a tie
def predict() -> dict:
    return {"noise": 0.5, "telling": 0.3, "random": 0.3, "because": "I cannot tell these two apart"}
