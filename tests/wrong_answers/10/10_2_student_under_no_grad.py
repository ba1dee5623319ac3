# names: The loss has no gradient
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    with torch.no_grad():
        p1, p2 = predictor(student(first)), predictor(student(second))
        z1, z2 = teacher(first), teacher(second)

    def apart(p, z):
        return 2 - 2 * F.cosine_similarity(p, z, dim=1)

    return (apart(p1, z2) + apart(p2, z1)).mean()
