def most_similar(features):
    u = torch.nn.functional.normalize(features, dim=-1)
    s = u @ u.T
    n = len(s)
    s = s[~torch.eye(n, dtype=torch.bool, device=s.device)].view(n, n - 1)
    j = s.argmax(1)
    return j + (j >= torch.arange(n, device=j.device)).long()
