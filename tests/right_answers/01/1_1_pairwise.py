def sharpen(scores, temperature):
    z = scores / temperature
    return 1 / (z[..., None, :] - z[..., :, None]).exp().sum(-1)
