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
    batch, n, k = *mask.shape, len(center)
    seen = patches.clone()
    seen[mask] = mask_token.to(seen.dtype)
    with torch.no_grad():
        target = torch.softmax((teacher(patches) - center) / teacher_temp, dim=2)
    logits = student(seen) / student_temp
    each = F.cross_entropy(logits.view(-1, k), target.view(-1, k), reduction="none").view(batch, n)
    weight = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (each * weight).sum() / batch
