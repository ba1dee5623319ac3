# names: dim 0
def cross_entropy(q, student_logits, temperature):
    return -(q * torch.log_softmax(student_logits / temperature, 0)).sum(-1)
