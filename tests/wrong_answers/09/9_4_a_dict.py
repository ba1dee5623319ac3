# names: as a tuple, not in a dict
def best_heads(scores):
    return {"each": scores.amax(1).mean(), "one": scores.mean(0).amax()}
