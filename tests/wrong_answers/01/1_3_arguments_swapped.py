# names: other way round
def cross_entropy(q, student_logits, temperature):
    return torch.nn.functional.cross_entropy(
        q, (student_logits / temperature).softmax(-1), reduction="none"
    )
