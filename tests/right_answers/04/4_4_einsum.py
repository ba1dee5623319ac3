def plain_loss(
    student_logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
    n_global: int = 2,
) -> torch.Tensor:
    with torch.no_grad():
        q = ((teacher_logits - center) / teacher_temp).softmax(-1)
    q = q.reshape(n_global, -1, q.shape[-1])
    log_p = F.log_softmax(student_logits / student_temp, -1).reshape(-1, *q.shape[1:])
    h = -torch.einsum("ibk,jbk->ij", q, log_p) / q.shape[1]
    n_global, n_views = h.shape
    same = torch.eye(n_global, n_views, dtype=torch.bool, device=h.device)
    return h[~same].mean()
