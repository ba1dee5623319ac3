# names: which of the student's parameters are trained
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr)
    teacher = copy.deepcopy(student.requires_grad_(False)).eval()
    return teacher, optimizer
