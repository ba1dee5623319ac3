def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.distributions.Categorical(probs=targets).entropy().mean()
    return [each, torch.distributions.Categorical(probs=targets.mean(0)).entropy()]
