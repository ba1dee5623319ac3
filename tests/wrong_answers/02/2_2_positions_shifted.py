# names: [CLS] has the last
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    return x + torch.cat([pos_embed[:, -1:], pos_embed[:, :-1]], 1)
