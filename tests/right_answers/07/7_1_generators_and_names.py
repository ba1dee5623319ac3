def parameter_groups(model: nn.Module) -> list[dict]:
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    flat = {n for n, p in named.items() if p.dim() < 2}
    return (
        {"params": [(n, p) for n, p in named.items() if n not in flat], "name": "decayed"},
        {"params": [(n, named[n]) for n in sorted(flat)], "name": "plain", "weight_decay": 0.0},
    )
