# names: This is SimSiam's loss
def byol_loss(student, predictor, teacher, first, second):
    p1, p2 = predictor(student(first)), predictor(student(second))
    with torch.no_grad():
        z1, z2 = teacher(first), teacher(second)
    return -(F.cosine_similarity(p1, z2).mean() + F.cosine_similarity(p2, z1).mean()) / 2
