# names: A batch of one row has lost its dimension
def cross_entropy(q, x, t):
    return -(q * torch.log_softmax(x / t, -1)).squeeze().sum(-1)
