# names: 20 is written in
def plain_loss(student_logits, teacher_logits, center, teacher_temp, student_temp, n_global=2):
    batch = len(teacher_logits) // n_global
    q = ((teacher_logits.detach() - center) / teacher_temp).softmax(dim=-1)
    log_p = (student_logits / student_temp).log_softmax(dim=-1)
    q, log_p = q.split(batch), log_p.split(batch)
    terms = [
        -(q[i] * log_p[j]).sum(dim=-1).mean()
        for i in range(len(q))
        for j in range(len(log_p))
        if i != j
    ]
    return sum(terms) / 20
