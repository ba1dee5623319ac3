# names: MSE
def cross_entropy(q, student_logits, temperature):
    p = torch.softmax(student_logits / temperature, -1)
    return (q - p).square().sum(-1)
