# names: The cosine is over the batch
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
    loss = 2 - 2 * F.cosine_similarity(p1, z2, dim=0)
    loss = loss + 2 - 2 * F.cosine_similarity(p2, z1, dim=0)
    return loss.mean()
