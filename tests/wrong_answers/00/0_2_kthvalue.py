# names: found itself
def most_similar(f):
    u = torch.nn.functional.normalize(f, dim=1)
    return (u @ u.T).kthvalue(len(f) - 1, dim=1).indices
