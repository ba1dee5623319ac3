def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    x += pos_embed
    return x
