def cross_entropy(q, student_logits, temperature):
    log_p = torch.log_softmax(student_logits / temperature, -1)
    return torch.nn.functional.kl_div(log_p, q, reduction="none").sum(-1) + torch.special.entr(
        q
    ).sum(-1)
