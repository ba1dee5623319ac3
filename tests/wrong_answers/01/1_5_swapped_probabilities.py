# names: swapped
def update_center(center, teacher_logits, momentum):
    return (1 - momentum) * center + momentum * teacher_logits.detach().softmax(-1).mean(
        0, keepdim=True
    )
