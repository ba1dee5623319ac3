# names: a module holds itself
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for m in model.children() for p in m.parameters() if p.requires_grad]
    trained = list({id(p): p for p in trained}.values())
    return [
        {"params": [p for p in trained if p.ndim > 1]},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
