# names: DINO trains with torch.optim.AdamW
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    return teacher, torch.optim.SGD(student.parameters(), lr=lr)
