# names: does not begin with the student's weights
def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student)
    for module in teacher.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return teacher.eval().requires_grad_(False), torch.optim.AdamW(student.parameters(), lr=lr)
