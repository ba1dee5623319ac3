# names: constant 0.9
def update_center(center, teacher_logits, momentum):
    return 0.9 * center + 0.1 * teacher_logits.detach().mean(0, keepdim=True)
