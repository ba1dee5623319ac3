# names: still ask for gradients
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    return copy.deepcopy(student).eval(), torch.optim.AdamW(student.parameters(), lr=lr)
