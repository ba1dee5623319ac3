# names: of the second view only
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    p1, p2 = predictor(student(first)), predictor(student(second))
    with torch.no_grad():
        z2 = teacher(second)
    apart = lambda p, z: 2 - 2 * F.cosine_similarity(p, z, dim=1)  # noqa: E731
    return (apart(p1, z2) + apart(p2, z2)).mean()
