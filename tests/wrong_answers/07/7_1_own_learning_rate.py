# names: a learning rate of its own
def parameter_groups(model):
    t = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in t if p.ndim > 1], "lr": 1e-3},
        {"params": [p for p in t if p.ndim <= 1], "weight_decay": 0.0, "lr": 1e-3},
    ]
