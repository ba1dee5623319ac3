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
    hidden = mask.to(patches.dtype)[..., None]
    log_p = F.log_softmax(student((1 - hidden) * patches + hidden * mask_token) / student_temp, -1)
    q = F.softmax((teacher(patches) - center) / teacher_temp, -1).detach()
    share = hidden[..., 0] / hidden.sum(1).clamp_min(1)
    return -torch.einsum("bnk,bnk,bn->b", q, log_p, share).mean()
