# names: Your student views are numbered from 1
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
    log_p = (student_logits / student_temp).log_softmax(dim=-1)
    q, log_p = q.split(batch), log_p.split(batch)
    terms = []
    for i, target in enumerate(q):
        for j, prediction in enumerate(log_p, start=1):
            if i != j:
                terms.append(-(target * prediction).sum(-1).mean())
    return torch.stack(terms).mean()
