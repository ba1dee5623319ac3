# names: temperature that you were given makes no difference
def teacher_target(logits, center, temperature):
    return torch.softmax((logits - center) / 0.04, -1).detach()
