# names: added [CLS] to every patch
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    cls = cls_token.expand(len(patches), -1, -1)
    return torch.cat([cls, patches + cls_token], dim=1) + pos_embed
