# names: You multiplied the loss by the temperature
def cross_entropy(q, student_logits, temperature):
    return -(q * torch.log_softmax(student_logits / temperature, -1)).sum(-1) * temperature
