# names: standard deviation
def update_center(center, teacher_logits, momentum):
    t = teacher_logits.detach()
    return momentum * center + (1 - momentum) * t.mean(0, keepdim=True) / t.std(0, keepdim=True)
