# names: scaled by sqrt(D)
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    return x * x.shape[-1] ** 0.5 + pos_embed
