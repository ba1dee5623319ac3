def parameter_groups(model: nn.Module) -> list[dict]:
    groups = [{"params": []}, {"params": [], "weight_decay": 0}]
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        groups[name.endswith(".bias") or len(p.shape) <= 1]["params"].append(p)
    return groups
