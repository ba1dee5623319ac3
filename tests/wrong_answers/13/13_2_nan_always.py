# names: Your loss is nan in every case
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
    with torch.no_grad():
        target = ((teacher(patches) - center) / teacher_temp).softmax(dim=-1)
    seen = torch.where(mask[..., None], mask_token, patches)
    logits = (student(seen) / student_temp).masked_fill(~mask[..., None], -torch.inf)
    each = -(target * logits.log_softmax(dim=-1)).sum(dim=-1)
    return ((each * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean()
