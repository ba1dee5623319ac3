# names: cat joins along the images
def add_tokens(patches, cls_token, pos_embed):
    B, N, D = patches.shape
    return torch.cat([cls_token.expand(-1, N, -1), patches], 0) + pos_embed[:, :N]
