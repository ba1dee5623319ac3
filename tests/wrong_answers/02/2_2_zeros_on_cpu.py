# names: not on the CPU
def add_tokens(patches, cls_token, pos_embed):
    cls = torch.zeros(len(patches), 1, patches.shape[2]) + cls_token
    return torch.cat([cls, patches], 1) + pos_embed
