# names: length 1
def update_center(center, teacher_logits, momentum):
    m = torch.nn.functional.normalize(teacher_logits.detach().mean(0, keepdim=True), dim=-1)
    return momentum * center + (1 - momentum) * m
