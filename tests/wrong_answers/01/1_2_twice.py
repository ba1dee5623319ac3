# names: softmax of a softmax
def teacher_target(logits, center, temperature):
    p = torch.softmax((logits - center) / temperature, -1)
    return torch.softmax(p / temperature, -1).detach()
