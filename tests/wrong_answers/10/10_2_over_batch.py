# names: You normalised the columns
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
        return (F.normalize(p, dim=0) - F.normalize(z, dim=0)).square().sum(dim=1)

    return (apart(p1, z2) + apart(p2, z1)).mean()
