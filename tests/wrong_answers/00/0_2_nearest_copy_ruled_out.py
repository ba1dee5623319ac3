# names: You ruled out all that is nearly 1
def most_similar(features):
    u = torch.nn.functional.normalize(features, dim=-1)
    s = u @ u.T
    s[s > 0.9999] = -torch.inf
    return s.argmax(1)
