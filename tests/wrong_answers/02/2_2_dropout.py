# names: no dropout
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1)
    return F.dropout(x + pos_embed, 0.1)
