# names: rows - 1
def update_center(center, teacher_logits, momentum):
    return momentum * center + (1 - momentum) * teacher_logits.detach().sum(0, keepdim=True) / (
        len(teacher_logits) - 1
    )
