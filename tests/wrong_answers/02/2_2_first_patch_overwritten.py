# names: takes the place of the first patch
def add_tokens(patches, cls_token, pos_embed):
    x = patches + pos_embed[:, 1:]
    x[:, 0] = cls_token[:, 0] + pos_embed[:, 0]
    return x
