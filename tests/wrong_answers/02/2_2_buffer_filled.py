# names: not on the CPU
def add_tokens(patches, cls_token, pos_embed):
    B, N, D = patches.shape
    out = torch.zeros(B, 1 + N, D)
    out[:, 0] = cls_token[:, 0]
    out[:, 1:] = patches
    return out + pos_embed
