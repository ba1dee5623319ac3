# names: length 1
def teacher_target(logits, center, temperature):
    x = torch.nn.functional.normalize(logits, dim=-1)
    return torch.softmax((x - center) / temperature, -1).detach()
