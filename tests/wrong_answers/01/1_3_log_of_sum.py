# names: logarithm after the sum
def cross_entropy(q, student_logits, temperature):
    p = torch.softmax(student_logits / temperature, -1)
    return -(q * p).sum(-1).log()
