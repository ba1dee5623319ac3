# names: every number is one too small
def most_similar(features):
    u = torch.nn.functional.normalize(features, dim=-1)
    s = u @ u.T
    n = len(s)
    s = s[~torch.eye(n, dtype=torch.bool)].view(n, n - 1)
    return s.argmax(1)
