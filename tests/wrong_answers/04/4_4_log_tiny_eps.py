# names: Your loss has a ceiling
def plain_loss(
    student_logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
    n_global: int = 2,
) -> torch.Tensor:
    batch = len(teacher_logits) // n_global
    q = ((teacher_logits.detach() - center) / teacher_temp).softmax(dim=-1)
    log_p = ((student_logits / student_temp).softmax(dim=-1) + 1e-14).log()
    q, log_p = q.split(batch), log_p.split(batch)
    total, n = 0, 0
    for i in range(len(q)):
        for j in range(len(log_p)):
            if i == j:
                continue
            total = total - (q[i] * log_p[j]).sum(dim=-1).mean()
            n += 1
    return total / n
