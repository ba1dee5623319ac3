# names: Yours knows LayerNorm and BatchNorm
def parameter_groups(model: nn.Module) -> list[dict]:
    norms = {
        id(p)
        for m in model.modules()
        if isinstance(m, (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d))
        for p in m.parameters()
    }
    decayed, plain = [], []
    for n, p in model.named_parameters():
        if p.requires_grad:
            (plain if id(p) in norms or n.endswith("bias") else decayed).append(p)
    return [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
