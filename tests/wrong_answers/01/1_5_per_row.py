# names: each row
def update_center(center, teacher_logits, momentum):
    m = momentum ** len(teacher_logits)
    return m * center + (1 - m) * teacher_logits.detach().mean(0, keepdim=True)
