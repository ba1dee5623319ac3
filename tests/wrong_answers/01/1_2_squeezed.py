# names: Of a single row the result has shape (6,)
def teacher_target(logits, center, temperature):
    return ((logits - center).detach() / temperature).softmax(-1).squeeze()
