# names: In this call of softmax an argument is missing: dim.
def sharpen(s, t):
    return torch.softmax(s / t)
