# names: The mean feature of each image is taken away before
def gram_loss(student, teacher):
    s = student - student.mean(1, keepdim=True)
    t = teacher - teacher.mean(1, keepdim=True)
    s, t = F.normalize(s, dim=-1), F.normalize(t, dim=-1)
    return (s @ s.mT - t.detach() @ t.detach().mT).square().mean()
