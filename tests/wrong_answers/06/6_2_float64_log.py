# names: takes the log of 0
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    q = torch.softmax((teacher_logits - center).double() / teacher_temp, dim=-1)
    p = torch.softmax(student_logits.double() / student_temp, dim=-1)
    return (q * (q.log() - p.log())).sum(-1).float()
