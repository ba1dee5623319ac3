# names: nothing drawn
def add_tokens(patches, cls_token, pos_embed):
    cls = torch.randn(len(patches), 1, patches.shape[-1])
    return torch.cat([cls, patches], 1) + pos_embed
