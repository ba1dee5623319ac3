# names: F.kl_div wants the logarithm
def teacher_student_kl(
    teacher_logits: torch.Tensor,
    student_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
) -> torch.Tensor:
    q = ((teacher_logits - center) / teacher_temp).softmax(-1)
    p = (student_logits / student_temp).softmax(-1)
    return torch.nn.functional.kl_div(p, q, reduction="none").sum(-1)
