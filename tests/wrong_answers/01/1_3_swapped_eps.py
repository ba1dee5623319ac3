# names: swapped
def cross_entropy(q, student_logits, temperature):
    p = torch.softmax(student_logits / temperature, -1)
    return -(p * (q + 1e-8).log()).sum(-1)
