# names: set all others to -inf
def most_similar(features):
    u = torch.nn.functional.normalize(features, dim=-1)
    s = u @ u.T
    s[torch.ones_like(s).tril().bool()] = -torch.inf
    return s.argmax(1)
