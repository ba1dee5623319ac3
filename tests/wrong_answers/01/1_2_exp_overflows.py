# names: exp(1000) is beyond float32
def teacher_target(logits, center, temperature):
    e = ((logits - center) / temperature).exp()
    return (e / e.sum(-1, keepdim=True)).detach()
