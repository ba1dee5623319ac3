# names: applied to the biases
def parameter_groups(model: nn.Module) -> list[dict]:
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    plain = [p for n, p in named if "norm" in n]
    return [
        {"params": [p for n, p in named if "norm" not in n]},
        {"params": plain, "weight_decay": 0.0},
    ]
