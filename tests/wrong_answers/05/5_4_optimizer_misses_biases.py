# names: Not all of the student's trained parameters
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    return teacher, torch.optim.AdamW([p for p in student.parameters() if p.ndim > 1], lr=lr)
