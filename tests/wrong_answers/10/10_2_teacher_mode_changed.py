# names: changes a network for good
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    teacher.eval()
    with torch.no_grad():
        z1, z2 = teacher(first), teacher(second)
    teacher.train()
    p1, p2 = predictor(student(first)), predictor(student(second))
    return (2 - 2 * F.cosine_similarity(p1, z2, dim=1)).mean() + (
        2 - 2 * F.cosine_similarity(p2, z1, dim=1)
    ).mean()
