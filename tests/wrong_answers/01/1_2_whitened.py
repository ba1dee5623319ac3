# names: standard deviation
def teacher_target(logits, center, temperature):
    return torch.softmax((logits - center) / logits.std(0, keepdim=True) / temperature, -1).detach()
