# names: added to them is not pos_embed
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    n, d = x.shape[1:]
    t = torch.arange(n)[:, None] / 10000 ** (torch.arange(d)[None] / d)
    return x + t.sin()
