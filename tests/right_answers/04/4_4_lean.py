def plain_loss(
    student_logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
    n_global: int = 2,
) -> torch.Tensor:
    q = ((teacher_logits.detach() - center) / teacher_temp).softmax(-1)
    q = q.unflatten(0, (n_global, -1))
    s = (student_logits / student_temp).unflatten(0, (-1, q.shape[1]))
    return cross_entropy_of_pairs(s, q)
