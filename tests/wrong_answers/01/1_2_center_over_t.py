# names: Brackets
def teacher_target(logits, center, temperature):
    return torch.softmax(logits - center / temperature, -1).detach()
