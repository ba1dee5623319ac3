# names: still ask for gradients
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student).eval()
    teacher.requires_grad = False
    return teacher, torch.optim.AdamW(student.parameters(), lr=lr)
