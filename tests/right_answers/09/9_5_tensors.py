def predict() -> dict:
    order = ["noise", "random", "telling"]  # from best to worst
    scores = torch.linspace(0.5, 0.1, 3)
    because = "what crops share is the background, so nothing is left for the thing"
    return dict(zip(order, scores, strict=True)) | {"because": because}
