# names: not weighted
def update_center(center, teacher_logits, momentum):
    return momentum * center + teacher_logits.detach().mean(0, keepdim=True)
