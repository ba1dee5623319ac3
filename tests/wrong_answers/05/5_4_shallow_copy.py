# names: share their parameters
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.copy(student)
    return teacher.eval(), torch.optim.AdamW(student.parameters(), lr=lr)
