# names: another result the second time
def sharpen(scores, temperature):
    return torch.nn.functional.gumbel_softmax(scores, tau=temperature, dim=-1)
