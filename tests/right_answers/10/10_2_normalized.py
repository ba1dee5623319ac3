def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    predicted = F.normalize(predictor(student(torch.cat([first, second]))), dim=1)
    target = F.normalize(teacher(torch.cat([second, first])).detach(), dim=1)
    return 2 * (predicted - target).square().sum(dim=1).mean()
