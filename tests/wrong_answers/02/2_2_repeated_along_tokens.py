# names: cat repeats nothing
def add_tokens(patches, cls_token, pos_embed):
    return torch.cat([cls_token.repeat(1, len(patches), 1), patches], 1) + pos_embed
