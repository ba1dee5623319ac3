# names: changes a network for good
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    p1, p2 = predictor(student(first)), predictor(student(second))
    teacher.requires_grad_(False)
    with torch.no_grad():
        z1, z2 = teacher(first), teacher(second)

    def apart(p, z):
        return 2 - 2 * F.cosine_similarity(p, z, dim=1)

    return (apart(p1, z2) + apart(p2, z1)).mean()
