# names: reduction='batchmean', of what mask picks
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
    log_p = (student(seen) / student_temp).log_softmax(dim=-1)
    return F.kl_div(log_p[mask], target[mask], reduction="batchmean")
