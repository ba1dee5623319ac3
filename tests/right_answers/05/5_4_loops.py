def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    teacher = copy.deepcopy(student)
    for p in teacher.parameters():
        p.requires_grad = False
    teacher.train(False)
    trained = [p for p in student.parameters() if p.requires_grad]
    return teacher, torch.optim.AdamW(trained, lr)
