# names: left out or made 0
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    q = torch.softmax((teacher_logits - center) / teacher_temp, dim=-1)
    p = torch.softmax(student_logits / student_temp, dim=-1)
    return (q * (q.log() - p.log())).nan_to_num(0, 0, 0).sum(-1)
