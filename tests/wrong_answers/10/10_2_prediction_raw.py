# names: The prediction is not brought to length 1.
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    p1, p2 = predictor(student(first)), predictor(student(second))
    with torch.no_grad():
        z1, z2 = teacher(first), teacher(second)

    def apart(p, z):
        return (p - F.normalize(z, dim=1)).square().sum(dim=1)

    return (apart(p1, z2) + apart(p2, z1)).mean()
