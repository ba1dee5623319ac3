# names: A layer norm is applied at the end
def add_tokens(patches, cls_token, pos_embed):
    x = torch.cat([cls_token.expand(len(patches), -1, -1), patches], 1) + pos_embed
    return F.layer_norm(x, x.shape[-1:])
