# names: Return a list of dicts
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
