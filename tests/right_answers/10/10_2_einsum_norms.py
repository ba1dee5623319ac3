def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    def distance(p, z):
        dots = torch.einsum("bd,bd->b", p, z)
        return 2 - 2 * dots / (
            torch.linalg.vector_norm(p, dim=1) * torch.linalg.vector_norm(z, dim=1)
        )

    with torch.no_grad():
        targets = [teacher(second), teacher(first)]
    predictions = [predictor(student(first)), predictor(student(second))]
    return sum(distance(p, z) for p, z in zip(predictions, targets)).mean()
