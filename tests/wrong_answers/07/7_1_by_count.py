# names: more than 1000
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.numel() > 1000]},
        {"params": [p for p in trained if p.numel() <= 1000], "weight_decay": 0.0},
    ]
