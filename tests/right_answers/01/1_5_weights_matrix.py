def update_center(center, teacher_logits, momentum):
    n = len(teacher_logits)
    w = center.new_tensor([[momentum] + [(1 - momentum) / n] * n])
    return w @ torch.cat([center.detach(), teacher_logits.detach()])
