def teacher_student_kl(
    teacher_logits: torch.Tensor,
    student_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
) -> torch.Tensor:
    q = torch.softmax((teacher_logits - center) / teacher_temp, dim=-1)
    s = student_logits / student_temp
    cross_entropy = s.logsumexp(dim=-1) - (q * s).sum(dim=-1)
    return cross_entropy - torch.special.entr(q).sum(dim=-1)
