# names: applied to norms and biases
def parameter_groups(model: nn.Module) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [{"params": trained[:2]}, {"params": trained[2:]}]
