# names: puts a ceiling on KL
def teacher_student_kl(
    teacher_logits: torch.Tensor,
    student_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
) -> torch.Tensor:
    q = torch.softmax((teacher_logits - center) / teacher_temp, dim=-1)
    p = torch.softmax(student_logits / student_temp, dim=-1)
    return (q * ((q + 1e-8).log() - (p + 1e-8).log())).sum(-1)
