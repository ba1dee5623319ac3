# names: Return two things
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    return copy.deepcopy(student).eval().requires_grad_(False)
