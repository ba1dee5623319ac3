# names: binary
def cross_entropy(q, student_logits, temperature):
    p = torch.softmax(student_logits / temperature, -1)
    return -(q * p.log() + (1 - q) * (1 - p).log()).sum(-1)
