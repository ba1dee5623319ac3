# names: F.cross_entropy does by itself
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch.nn.functional as F

    mean = targets.mean(0)
    return F.cross_entropy(targets, targets), F.cross_entropy(mean, mean)
