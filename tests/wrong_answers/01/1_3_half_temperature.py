# names: logsumexp
def cross_entropy(q, student_logits, temperature):
    x = student_logits / temperature
    return -(q * (x - torch.logsumexp(student_logits, -1, keepdim=True))).sum(-1)
