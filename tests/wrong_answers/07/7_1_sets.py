# names: is a set
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": {p for p in trained if p.ndim > 1}},
        {"params": {p for p in trained if p.ndim <= 1}, "weight_decay": 0.0},
    ]
