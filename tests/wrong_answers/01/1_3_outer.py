# names: Every target met every student
def cross_entropy(q, student_logits, temperature):
    return -(q @ torch.log_softmax(student_logits / temperature, -1).T).sum(-1)
