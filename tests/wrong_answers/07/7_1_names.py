# names: holds something else than parameters
def parameter_groups(model: nn.Module) -> list[dict]:
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    return [
        {"params": [n for n, p in named if p.ndim > 1]},
        {"params": [n for n, p in named if p.ndim <= 1], "weight_decay": 0.0},
    ]
