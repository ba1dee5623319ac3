# names: one number for the batch
def teacher_student_kl(
    teacher_logits: torch.Tensor,
    student_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
) -> torch.Tensor:
    log_q = torch.log_softmax((teacher_logits - center) / teacher_temp, dim=-1)
    log_p = torch.log_softmax(student_logits / student_temp, dim=-1)
    return (log_q.exp() * (log_q - log_p)).sum(-1).mean()
