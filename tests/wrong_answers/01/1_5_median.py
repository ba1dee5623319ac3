# names: median
def update_center(center, teacher_logits, momentum):
    return (
        momentum * center + (1 - momentum) * teacher_logits.detach().median(0, keepdim=True).values
    )
