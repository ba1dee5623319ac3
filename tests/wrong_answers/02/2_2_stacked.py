# names: stack makes a new dimension
def add_tokens(patches, cls_token, pos_embed):
    x = torch.stack([cls_token.expand_as(patches), patches], 1)
    return x + pos_embed
