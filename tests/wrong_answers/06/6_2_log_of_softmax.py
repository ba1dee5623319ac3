# names: takes the log of 0
def teacher_student_kl(
    teacher_logits: torch.Tensor,
    student_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
) -> torch.Tensor:
    q = torch.softmax((teacher_logits - center) / teacher_temp, dim=-1)
    p = torch.softmax(student_logits / student_temp, dim=-1)
    return (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(-1)
