# names: Only (1, 0) is there
def plain_loss(student_logits, teacher_logits, center, teacher_temp, student_temp, n_global=2):

    batch = len(teacher_logits) // n_global
    q = ((teacher_logits.detach() - center) / teacher_temp).softmax(dim=-1).split(batch)
    log_p = (student_logits / student_temp).log_softmax(dim=-1).split(batch)
    loss, n = 0, 0
    for i in range(len(q)):
        for j in range(len(log_p)):
            if i == j:
                break
            loss = loss - (q[i] * log_p[j]).sum(-1).mean()
            n += 1
    return loss / n
