def set_up(student: nn.Module, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    import io

    file = io.BytesIO()
    torch.save(student, file)
    file.seek(0)
    teacher = torch.load(file, weights_only=False)
    teacher.eval()
    for p in teacher.parameters():
        p.requires_grad_(False)
    groups = [
        {"params": [p for p in student.parameters() if p.ndim > 1]},
        {"params": [p for p in student.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return teacher, torch.optim.AdamW(groups, lr=lr)
