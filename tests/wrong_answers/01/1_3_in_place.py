# names: changes a tensor
def cross_entropy(q, student_logits, temperature):
    student_logits /= temperature
    return -(q * torch.log_softmax(student_logits, -1)).sum(-1)
