# names: switches the gradient of a tensor
def teacher_target(logits, center, temperature):
    logits.requires_grad = False
    return torch.softmax((logits - center) / temperature, -1)
