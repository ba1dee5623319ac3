# names: One softmax too many
def cross_entropy(q, student_logits, temperature):
    return torch.nn.functional.cross_entropy(
        (student_logits / temperature).softmax(-1), q, reduction="none"
    )
