# names: Your teacher is the student
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr)
    return student.eval().requires_grad_(False), optimizer
