# names: You divided the logarithms by the temperatures
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    lq = torch.log_softmax(teacher_logits - center, -1) / teacher_temp
    lp = torch.log_softmax(student_logits, -1) / student_temp
    return (lq.exp() * (lq - lp)).sum(-1)
