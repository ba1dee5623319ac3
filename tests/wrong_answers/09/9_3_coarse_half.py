# names: You brought the truth down to the patches
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    share = torch.nn.functional.adaptive_avg_pool2d(target[:, None].float(), mask.shape[-2:])
    both, either = mask & (share >= 0.5), mask | (share >= 0.5)
    both, either = both.sum((-2, -1)), either.sum((-2, -1))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)
