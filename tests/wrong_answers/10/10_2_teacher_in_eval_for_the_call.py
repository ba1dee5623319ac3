# names: in another mode than it is in
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    p1, p2 = predictor(student(first)), predictor(student(second))
    was = teacher.training
    teacher.eval()
    with torch.no_grad():
        z1, z2 = teacher(first), teacher(second)
    teacher.train(was)
    apart = lambda p, z: 2 - 2 * F.cosine_similarity(p, z, dim=1)  # noqa: E731
    return (apart(p1, z2) + apart(p2, z1)).mean()
