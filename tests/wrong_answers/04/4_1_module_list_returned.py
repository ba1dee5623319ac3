# names: nn.ModuleList only holds its modules
def head_mlp(a, b, c):
    return nn.ModuleList([nn.Linear(a, b), nn.GELU(), nn.Linear(b, b), nn.GELU(), nn.Linear(b, c)])
