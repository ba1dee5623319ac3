# names: when its inputs are not on the CPU
def cross_entropy(q, x, t):
    return torch.zeros(len(q)) - (q * torch.log_softmax(x / t, -1)).sum(-1)
