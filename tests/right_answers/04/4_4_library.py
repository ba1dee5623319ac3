def plain_loss(
    student_logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    center: torch.Tensor,
    teacher_temp: float,
    student_temp: float,
    n_global: int = 2,
) -> torch.Tensor:
    q = torch.softmax((teacher_logits - center) / teacher_temp, dim=1).detach().chunk(n_global)
    batch = q[0].shape[0]
    students = torch.split(student_logits / student_temp, batch)
    losses = []
    for j, student in enumerate(students):
        losses += [F.cross_entropy(student, target) for i, target in enumerate(q) if i != j]
    return sum(losses) / len(losses)
