def teacher_target(logits, center, temperature):
    z = torch.log_softmax(logits / temperature, -1) - torch.log_softmax(center / temperature, -1)
    return z.softmax(-1).detach()
