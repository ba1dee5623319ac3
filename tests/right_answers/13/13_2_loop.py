def ibot_loss(
    student: Callable[[torch.Tensor], torch.Tensor],
    teacher: Callable[[torch.Tensor], torch.Tensor],
    patches: torch.Tensor,
    mask_token: torch.Tensor,
    mask: torch.Tensor,
    center: torch.Tensor,
    student_temp: float,
    teacher_temp: float,
) -> torch.Tensor:
    logits = student(patches * ~mask[..., None] + mask_token * mask[..., None]) / student_temp
    target = F.softmax((teacher(patches).detach() - center) / teacher_temp, dim=-1)
    total = logits.sum() * 0
    for q, score, hidden in zip(target, logits, mask, strict=True):
        if hidden.any():
            each = torch.logsumexp(score[hidden], dim=1) - (q[hidden] * score[hidden]).sum(dim=1)
            total = total + each.mean()
    return total / len(mask)
