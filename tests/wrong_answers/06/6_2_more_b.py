# names: Two things
def teacher_student_kl(teacher_logits, student_logits, center, teacher_temp, student_temp):
    log_q = torch.log_softmax((teacher_logits - center) / teacher_temp, dim=-1)
    log_p = torch.log_softmax(student_logits / teacher_temp, dim=-1)
    return torch.nn.functional.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
