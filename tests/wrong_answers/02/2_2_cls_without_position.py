# names: positions to the patches only
def add_tokens(
    patches: torch.Tensor, cls_token: torch.Tensor, pos_embed: torch.Tensor
) -> torch.Tensor:
    x = patches + pos_embed[:, 1:]
    return torch.cat([cls_token.expand(len(patches), -1, -1), x], dim=1)
