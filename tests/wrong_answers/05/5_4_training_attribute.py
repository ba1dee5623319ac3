# names: or a part of it is
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student).requires_grad_(False)
    teacher.training = False
    return teacher, torch.optim.AdamW(student.parameters(), lr=lr)
