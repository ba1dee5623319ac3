# names: Two are returned for each image
def most_similar(features):
    u = torch.nn.functional.normalize(features, dim=-1)
    return (u @ u.T).topk(2).indices
