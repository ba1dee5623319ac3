# names: takes the log of 0
def cross_entropy(q, student_logits, temperature):
    return (
        -(q * torch.log(torch.softmax(student_logits.double() / temperature, -1)))
        .sum(-1)
        .to(q.dtype)
    )
