# names: You changed which parameters are trained
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    plain = [p.requires_grad_(False) for p in trained if p.ndim <= 1]
    return [
        {"params": [p for p in trained if p.ndim > 1]},
        {"params": plain, "weight_decay": 0.0},
    ]
