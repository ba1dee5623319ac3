# names: five words or more
def predict() -> dict:
    return {"noise": 0.5, "telling": 0.3, "random": 0.2, "because": ". . . . . ."}
