# names: A star unpacks them
def head_mlp(a, b, c):
    return nn.Sequential([nn.Linear(a, b), nn.GELU(), nn.Linear(b, b), nn.GELU(), nn.Linear(b, c)])
