# names: holds the teacher's parameters
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    both = [*student.parameters(), *teacher.parameters()]
    return teacher, torch.optim.AdamW(both, lr=lr)
