# names: wrong way round
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim < 2]},
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": 0.0},
    ]
