# names: a sentence of five words or more
def predict():
    return {"noise": 0.3, "telling": 0.4, "random": 0.2, "because": "a b c d e"}
