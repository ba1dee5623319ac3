# names: frozen parameters
def parameter_groups(model: nn.Module) -> list[dict]:
    named = [(n, p) for n, p in model.named_parameters() if "weight_g" not in n]
    return [
        {"params": [p for _, p in named if p.ndim > 1]},
        {"params": [p for _, p in named if p.ndim == 1], "weight_decay": 0.0},
    ]
