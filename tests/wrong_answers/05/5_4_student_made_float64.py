# names: You changed the type of the student's weights
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    student.to(torch.float64)
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    return teacher, torch.optim.AdamW(student.parameters(), lr=lr)
