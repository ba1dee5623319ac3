# names: The factor q is missing
def teacher_student_kl(
    teacher_logits: torch.Tensor,
    student_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
) -> torch.Tensor:
    log_q = ((teacher_logits - center) / teacher_temp).log_softmax(-1)
    log_p = (student_logits / student_temp).log_softmax(-1)
    return (log_q - log_p).sum(-1)
