# names: center is taken away
def update_center(center, teacher_logits, momentum):
    return momentum * center + (1 - momentum) * (teacher_logits.detach() - center).mean(
        0, keepdim=True
    )
