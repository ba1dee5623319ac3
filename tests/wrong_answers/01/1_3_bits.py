# names: base 2
def cross_entropy(q, student_logits, temperature):
    return -(q * (student_logits / temperature).softmax(-1).log2()).sum(-1)
