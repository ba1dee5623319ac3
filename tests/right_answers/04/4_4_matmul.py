def plain_loss(student_logits, teacher_logits, center, teacher_temp, student_temp, n_global=2):

    b, k = len(teacher_logits) // n_global, center.shape[-1]
    q = ((teacher_logits.detach() - center) / teacher_temp).softmax(-1).view(n_global, b, k)
    s = (student_logits / student_temp).view(-1, b, k)
    h = s.logsumexp(-1)[None] - torch.einsum("ibk,jbk->ijb", q, s)
    keep = ~torch.eye(n_global, len(s), dtype=torch.bool, device=s.device)
    return h[keep].mean()
