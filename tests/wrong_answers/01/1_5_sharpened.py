# names: temperature
def update_center(center, teacher_logits, momentum):
    return momentum * center + (1 - momentum) * (teacher_logits.detach() / 0.04).mean(
        0, keepdim=True
    )
