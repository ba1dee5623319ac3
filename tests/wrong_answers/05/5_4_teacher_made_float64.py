# names: does not begin with the student's weights
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student).eval().requires_grad_(False).double()
    return teacher, torch.optim.AdamW(student.parameters(), lr=lr)
