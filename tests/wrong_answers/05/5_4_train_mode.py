# names: in train mode
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    return copy.deepcopy(student).requires_grad_(False), torch.optim.AdamW(
        student.parameters(), lr=lr
    )
