# names: applied to the biases
def parameter_groups(model: nn.Module) -> list[dict]:
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm)]
    plain = [p for m in norms for p in m.parameters()]
    known = {id(p) for p in plain}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    return [{"params": rest}, {"params": plain, "weight_decay": 0.0}]
