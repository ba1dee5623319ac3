# names: absolute values
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    log_q = torch.log_softmax((teacher_logits - center) / teacher_temp, dim=-1)
    log_p = torch.log_softmax(student_logits / student_temp, dim=-1)
    return (log_q.exp() * (log_q - log_p)).abs().sum(-1)
