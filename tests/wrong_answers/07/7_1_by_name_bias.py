# names: applied to the norms' weights
def parameter_groups(model: nn.Module) -> list[dict]:
    decayed, plain = [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            (plain if name.endswith("bias") else decayed).append(p)
    return [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
