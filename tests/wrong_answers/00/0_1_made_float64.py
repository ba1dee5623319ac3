# names: Given float32, the result is float64
def l2_normalize(x):
    x = x.double()
    return x / x.norm(dim=-1, keepdim=True)
