# names: positions are added twice
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    x = x + pos_embed
    return x + pos_embed
