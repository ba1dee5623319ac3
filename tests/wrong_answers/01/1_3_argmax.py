# names: largest entry
def cross_entropy(q, student_logits, temperature):
    return torch.nn.functional.cross_entropy(
        student_logits / temperature, q.argmax(-1), reduction="none"
    )
