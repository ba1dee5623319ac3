# names: You added the entropy
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    log_q = torch.log_softmax((teacher_logits - center) / teacher_temp, dim=-1)
    log_p = torch.log_softmax(student_logits / student_temp, dim=-1)
    q = log_q.exp()
    return -(q * log_p).sum(-1) - (q * log_q).sum(-1)
