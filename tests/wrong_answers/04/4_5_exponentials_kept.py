# names: exponentials of all scores are kept
def lean_loss(student, q):
    (G, B, K), V = q.shape, len(student)
    m = student.max(dim=-1, keepdim=True).values.detach()
    lse = (student - m).exp().sum(-1).log() + m[..., 0]
    q_sum = q.sum(0)
    total = (G - 1) * lse[:G].sum() + G * lse[G:].sum()
    total = total - (student[:G] * (q_sum - q)).sum() - (student[G:] * q_sum).sum()
    return total / (B * G * (V - 1))
