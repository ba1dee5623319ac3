# names: the other way round throughout
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
    hidden = ~mask
    seen = torch.where(hidden[..., None], mask_token, patches)
    log_p = (student(seen) / student_temp).log_softmax(dim=-1)
    each = -(target * log_p).sum(dim=-1)
    return ((each * hidden).sum(dim=1) / hidden.sum(dim=1).clamp(min=1)).mean()
