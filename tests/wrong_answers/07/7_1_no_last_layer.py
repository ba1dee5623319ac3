# names: The last layer's parameters
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "last_layer" not in n]
    return [
        {"params": [p for p in trained if p.ndim > 1]},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
