# names: Your loss has a ceiling
def cross_entropy(q, student_logits, temperature):
    return -(q * torch.log(torch.softmax(student_logits / temperature, -1).clamp(min=1e-12))).sum(
        -1
    )
