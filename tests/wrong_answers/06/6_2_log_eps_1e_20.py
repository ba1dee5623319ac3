# names: (eps = 1e-20)
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    q = torch.softmax((teacher_logits - center) / teacher_temp, dim=-1)
    p = torch.softmax(student_logits / student_temp, dim=-1)
    return (q * ((q + 1e-20).log() - (p + 1e-20).log())).sum(-1)
