# names: softmax of the center
def teacher_target(logits, center, temperature):
    d = torch.softmax(logits / temperature, -1) - torch.softmax(center / temperature, -1)
    d = d.clamp(min=0)
    return (d / d.sum(-1, keepdim=True)).detach()
