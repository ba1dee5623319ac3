# names: nan_to_num stops the logarithm
def cross_entropy(q, x, t):
    return -torch.nan_to_num(q * torch.log(torch.softmax(x / t, -1))).sum(-1)
