# names: Say a number
def predict() -> dict:
    return {
        "noise": float("nan"),
        "telling": 0.1,
        "random": 0.2,
        "because": "nobody can know this in advance",
    }
