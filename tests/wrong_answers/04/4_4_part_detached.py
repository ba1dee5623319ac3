# names: the gradient is not
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
    log_p = student_logits / student_temp
    log_p = log_p - log_p.logsumexp(dim=-1, keepdim=True).detach()
    q, log_p = q.split(batch), log_p.split(batch)
    terms = [
        -(q[i] * log_p[j]).sum(dim=-1).mean()
        for i in range(len(q))
        for j in range(len(log_p))
        if i != j
    ]
    return torch.stack(terms).mean()
