# names: only at the images after each one (triu)
def most_similar(features):
    u = torch.nn.functional.normalize(features, dim=-1)
    s = (u @ u.T).triu(1)
    return s.argmax(1)
