# names: found itself
def most_similar(f):
    u = torch.nn.functional.normalize(f, dim=1)
    return (u @ u.T).topk(2).indices[:, 1]
