def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    total = 0.0
    for here, there in ((first, second), (second, first)):
        p = predictor(student(here))
        with torch.no_grad():
            z = teacher(there)
        cos = (p * z).sum(dim=-1) / (p.norm(dim=-1) * z.norm(dim=-1))
        total = total + 2 - 2 * cos
    return torch.mean(total)
