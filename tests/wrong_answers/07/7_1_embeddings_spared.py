# names: no decay on cls_token or pos_embed
def parameter_groups(model: nn.Module) -> list[dict]:
    decayed, plain = [], []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        spared = p.ndim == 1 or "cls_token" in name or "pos_embed" in name
        (plain if spared else decayed).append(p)
    return [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
