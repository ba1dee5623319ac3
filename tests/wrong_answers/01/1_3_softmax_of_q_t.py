# names: softmax of q
def cross_entropy(q, student_logits, temperature):
    return -(
        (q / temperature).softmax(-1) * torch.log_softmax(student_logits / temperature, -1)
    ).sum(-1)
