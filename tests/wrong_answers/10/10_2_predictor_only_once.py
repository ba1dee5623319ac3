# names: in front of one of the two
def byol_loss(
    student: nn.Module,
    predictor: nn.Module,
    teacher: nn.Module,
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    with torch.no_grad():
        target_1 = teacher(first)
        target_2 = teacher(second)
    pred_1 = predictor(student(first))
    pred_2 = student(second)
    one = 2 - 2 * F.cosine_similarity(pred_1, target_2, dim=1)
    two = 2 - 2 * F.cosine_similarity(pred_2, target_1, dim=1)
    return (one + two).mean()
