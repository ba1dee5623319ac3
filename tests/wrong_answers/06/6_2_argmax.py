# names: target hard (argmax)
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    log_q = torch.log_softmax((teacher_logits - center) / teacher_temp, dim=-1)
    log_p = torch.log_softmax(student_logits / student_temp, dim=-1)
    hard = log_q.argmax(-1, keepdim=True)
    return -log_p.gather(-1, hard).squeeze(-1)
