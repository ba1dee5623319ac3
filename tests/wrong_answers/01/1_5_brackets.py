# names: Brackets: m * c + 1 - m * mean
def update_center(center, teacher_logits, momentum):
    return momentum * center + 1 - momentum * teacher_logits.detach().mean(0, keepdim=True)
