# names: Yours knows LayerNorm.
def parameter_groups(model: nn.Module) -> list[dict]:
    plain = [
        p
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if p.requires_grad and (name == "bias" or isinstance(module, nn.LayerNorm))
    ]
    known = set(map(id, plain))
    rest = (p for p in model.parameters() if p.requires_grad and id(p) not in known)
    return [dict(params=rest), dict(params=plain, weight_decay=0.0)]
