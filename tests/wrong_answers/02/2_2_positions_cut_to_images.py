# names: as many as there are images
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    return x + pos_embed[:, : len(patches)]
